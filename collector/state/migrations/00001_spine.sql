-- +goose Up
CREATE TABLE devices (
    id         TEXT PRIMARY KEY,
    class      TEXT NOT NULL,
    model      TEXT NOT NULL DEFAULT '',
    site       TEXT NOT NULL,
    unit       TEXT NOT NULL DEFAULT '',
    gateway    TEXT NOT NULL DEFAULT '',
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL
);

CREATE TABLE device_aliases (
    alias  TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    site   TEXT NOT NULL,
    since  BIGINT NOT NULL
);

-- A module in a slot of a parent, from when to when (NULL while it is there).
CREATE TABLE attachments (
    id      TEXT PRIMARY KEY,
    parent  TEXT NOT NULL,
    slot    TEXT NOT NULL,
    device  TEXT NOT NULL,
    site    TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT
);
CREATE INDEX attachments_parent ON attachments (parent, from_ms);
CREATE INDEX attachments_device ON attachments (device, from_ms);

-- The truth about minutes: [from_ms, to_ms), NULL while it lasts.
CREATE TABLE state_intervals (
    device   TEXT NOT NULL,
    site     TEXT NOT NULL,
    from_ms  BIGINT NOT NULL,
    to_ms    BIGINT,
    state    TEXT NOT NULL,
    native   TEXT NOT NULL DEFAULT '',
    occupied SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (device, from_ms)
);
CREATE INDEX state_intervals_open ON state_intervals (device) WHERE to_ms IS NULL;

CREATE TABLE events (
    id        TEXT PRIMARY KEY,
    device    TEXT NOT NULL,
    class     TEXT NOT NULL,
    model     TEXT NOT NULL DEFAULT '',
    site      TEXT NOT NULL,
    unit      TEXT NOT NULL DEFAULT '',
    at        BIGINT NOT NULL,
    received  BIGINT NOT NULL,
    condition TEXT NOT NULL,
    phase     TEXT NOT NULL,
    code      TEXT NOT NULL DEFAULT '',
    text      TEXT NOT NULL DEFAULT '',
    priority  TEXT NOT NULL DEFAULT '',
    kind      TEXT NOT NULL DEFAULT '',
    gateway   TEXT NOT NULL DEFAULT '',
    flags     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX events_device ON events (device, at);
CREATE INDEX events_at ON events (at);

CREATE TABLE gateways (
    name            TEXT PRIMARY KEY,
    site            TEXT NOT NULL,
    last_seen       BIGINT NOT NULL,
    events_depth    BIGINT NOT NULL DEFAULT 0,
    telemetry_depth BIGINT NOT NULL DEFAULT 0,
    oldest_ms       BIGINT NOT NULL DEFAULT 0,
    clock_offset_ms BIGINT NOT NULL DEFAULT 0,
    feeds_up        BIGINT NOT NULL DEFAULT 0,
    feeds           BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE gaps (
    id      TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    site    TEXT NOT NULL,
    stream  TEXT NOT NULL,
    epoch   TEXT NOT NULL,
    first   BIGINT NOT NULL,
    last    BIGINT NOT NULL,
    count   BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT NOT NULL,
    reason  TEXT NOT NULL
);

-- paged: 0 nobody was told, 1 somebody was told that it is raised, 2 and is to be
-- told that it has cleared, 3 and was told.
CREATE TABLE alarms (
    id              TEXT PRIMARY KEY,
    rule            TEXT NOT NULL,
    device          TEXT NOT NULL,
    class           TEXT NOT NULL,
    model           TEXT NOT NULL DEFAULT '',
    site            TEXT NOT NULL,
    unit            TEXT NOT NULL DEFAULT '',
    priority        TEXT NOT NULL,
    state           TEXT NOT NULL,
    since           BIGINT NOT NULL,
    raised_at       BIGINT NOT NULL,
    changed_at      BIGINT NOT NULL,
    cleared_at      BIGINT NOT NULL DEFAULT 0,
    reopened        INTEGER NOT NULL DEFAULT 0,
    summary         TEXT NOT NULL,
    action          TEXT NOT NULL DEFAULT '',
    runbook         TEXT NOT NULL DEFAULT '',
    wants_page      SMALLINT NOT NULL DEFAULT 0,
    paged           SMALLINT NOT NULL DEFAULT 0,
    acknowledged_by TEXT NOT NULL DEFAULT '',
    acknowledged_at BIGINT NOT NULL DEFAULT 0,
    note            TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alarms_state ON alarms (state, raised_at);
CREATE INDEX alarms_device ON alarms (device, raised_at);
CREATE INDEX alarms_paged ON alarms (paged);

-- number orders an alarm's transitions as they were written: their times come
-- from devices, people and the collector, whose clocks differ.
CREATE TABLE alarm_transitions (
    id     TEXT PRIMARY KEY,
    alarm  TEXT NOT NULL,
    site   TEXT NOT NULL,
    number INTEGER NOT NULL,
    at     BIGINT NOT NULL,
    state  TEXT NOT NULL,
    who    TEXT NOT NULL DEFAULT '',
    note   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX alarm_transitions_alarm ON alarm_transitions (alarm, number);

-- unanswered: attempts that were handed over and got no answer. next_attempt is 0
-- when there will be none.
CREATE TABLE pages (
    id           TEXT PRIMARY KEY,
    alarm        TEXT NOT NULL,
    device       TEXT NOT NULL,
    rule         TEXT NOT NULL,
    site         TEXT NOT NULL,
    priority     TEXT NOT NULL,
    about        TEXT NOT NULL,
    channel      TEXT NOT NULL,
    recipient    TEXT NOT NULL DEFAULT '',
    text         TEXT NOT NULL,
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    unanswered   INTEGER NOT NULL DEFAULT 0,
    queued_at    BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL DEFAULT 0,
    sent_at      BIGINT NOT NULL DEFAULT 0,
    error        TEXT NOT NULL DEFAULT ''
);
CREATE INDEX pages_due ON pages (channel, state, next_attempt);
CREATE UNIQUE INDEX pages_once ON pages (alarm, channel, about, recipient);

-- Append only; each row's hash covers the row before it.
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    site   TEXT NOT NULL DEFAULT '',
    hash   TEXT NOT NULL
);

-- How far a reader of the journal has come. It moves in the transaction of the
-- transitions that it caused.
CREATE TABLE positions (
    reader   TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL
);

-- +goose Down
DROP TABLE positions;
DROP TABLE audit;
DROP TABLE pages;
DROP TABLE alarm_transitions;
DROP TABLE alarms;
DROP TABLE gaps;
DROP TABLE gateways;
DROP TABLE events;
DROP TABLE state_intervals;
DROP TABLE attachments;
DROP TABLE device_aliases;
DROP TABLE devices;
