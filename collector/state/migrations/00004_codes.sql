-- +goose Up
-- Which technical codes the devices of a model have reported, and first when. The
-- row without a code is the model itself.
CREATE TABLE model_codes (
    class    TEXT NOT NULL,
    model    TEXT NOT NULL,
    code     TEXT NOT NULL,
    site     TEXT NOT NULL,
    device   TEXT NOT NULL,
    first_ms BIGINT NOT NULL,
    PRIMARY KEY (class, model, code)
);
INSERT INTO model_codes (class, model, code, site, device, first_ms)
    SELECT class, model, '', MIN(site), MIN(id), MIN(first_seen) FROM devices WHERE model <> '' GROUP BY class, model;
INSERT INTO model_codes (class, model, code, site, device, first_ms)
    SELECT class, model, code, MIN(site), MIN(device), MIN(at) FROM events
    WHERE model <> '' AND code <> '' AND (kind = 'technical' OR condition = 'unknown_code') GROUP BY class, model, code;

-- +goose Down
DROP TABLE model_codes;
