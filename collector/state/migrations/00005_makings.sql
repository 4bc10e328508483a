-- +goose Up
-- What a device is made of now, as it last told.
ALTER TABLE devices ADD COLUMN serial TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN firmware TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN software TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN hardware TEXT NOT NULL DEFAULT '';
UPDATE devices SET
    serial = COALESCE((SELECT e.code FROM events e WHERE e.device = devices.id AND e.condition = 'serial_number' ORDER BY e.at DESC, e.id DESC LIMIT 1), ''),
    firmware = COALESCE((SELECT e.code FROM events e WHERE e.device = devices.id AND e.condition = 'firmware' ORDER BY e.at DESC, e.id DESC LIMIT 1), ''),
    software = COALESCE((SELECT e.code FROM events e WHERE e.device = devices.id AND e.condition = 'software' ORDER BY e.at DESC, e.id DESC LIMIT 1), ''),
    hardware = COALESCE((SELECT e.code FROM events e WHERE e.device = devices.id AND e.condition = 'hardware' ORDER BY e.at DESC, e.id DESC LIMIT 1), '');

-- +goose Down
ALTER TABLE devices DROP COLUMN hardware;
ALTER TABLE devices DROP COLUMN software;
ALTER TABLE devices DROP COLUMN firmware;
ALTER TABLE devices DROP COLUMN serial;
