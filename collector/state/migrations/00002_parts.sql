-- +goose Up
-- What a part is, and when it was last told to be there.
ALTER TABLE attachments ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE attachments ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE attachments ADD COLUMN seen_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX attachments_open ON attachments (device) WHERE to_ms IS NULL;

-- +goose Down
DROP INDEX attachments_open;
ALTER TABLE attachments DROP COLUMN seen_ms;
ALTER TABLE attachments DROP COLUMN model;
ALTER TABLE attachments DROP COLUMN type;
