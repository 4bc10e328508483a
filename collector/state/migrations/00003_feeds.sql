-- +goose Up
-- The way by which a device was heard, and its own time where that is not believed.
ALTER TABLE devices ADD COLUMN feed TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN feed TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN device_time BIGINT NOT NULL DEFAULT 0;

ALTER TABLE gateways ADD COLUMN up SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE gateways ADD COLUMN clock_known SMALLINT NOT NULL DEFAULT 0;

-- The ways into a gateway, as its newest heartbeat tells of them.
CREATE TABLE feeds (
    gateway    TEXT NOT NULL,
    name       TEXT NOT NULL,
    site       TEXT NOT NULL,
    up         SMALLINT NOT NULL,
    quiet      SMALLINT NOT NULL DEFAULT 0,
    last_heard BIGINT NOT NULL DEFAULT 0,
    messages   BIGINT NOT NULL DEFAULT 0,
    devices    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (gateway, name)
);

-- +goose Down
DROP TABLE feeds;
ALTER TABLE gateways DROP COLUMN clock_known;
ALTER TABLE gateways DROP COLUMN up;
ALTER TABLE events DROP COLUMN device_time;
ALTER TABLE events DROP COLUMN feed;
ALTER TABLE devices DROP COLUMN feed;
