package collector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"medfleet"
	"medfleet/collector/roster"
	"medfleet/collector/state"
)

// assume lets ids stand for the devices that they stood for when the journal was
// last read: what is read again must come to the same.
func (w *watch) assume(ctx context.Context) error {
	known, err := readAliases(ctx, w.o.DB)
	w.roster.Assume(known)
	return err
}

// alias brings the aliases of the configuration into force: in roster, engine and
// database at once, with a line of the audit log for each that is new or gone. A
// snapshot follows, so that the journal before it is not read under the new names.
func (w *watch) alias(ctx context.Context) error {
	known, err := readAliases(ctx, w.o.DB)
	if err != nil {
		return err
	}
	w.roster.Alias(w.sequence, w.o.Aliases, w.see)
	changed := !maps.Equal(known, w.o.Aliases)
	if !changed && !w.roster.Waits() && !w.o.Engine.Waits(true) {
		return nil
	}
	tx, err := w.o.DB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	err = w.write(ctx, tx)
	if err == nil && changed {
		err = w.writeAliases(ctx, tx, known)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("bring aliases into force: %w", err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("bring aliases into force: %w", err)
	}
	w.moved = w.sequence
	w.o.Engine.Committed()
	w.roster.Committed(w.o.Changed)
	return w.save(ctx)
}

func readAliases(ctx context.Context, db *sql.DB) (roster.Aliases, error) {
	rows, err := db.QueryContext(ctx, `SELECT alias, device FROM device_aliases`)
	if err != nil {
		return nil, fmt.Errorf("read aliases: %w", err)
	}
	defer rows.Close()
	known := roster.Aliases{}
	for rows.Next() {
		var alias, device medfleet.DeviceID
		if err := rows.Scan(&alias, &device); err != nil {
			return nil, fmt.Errorf("read aliases: %w", err)
		}
		known[alias] = device
	}
	return known, rows.Err()
}

// writeAliases makes the table what the configuration says.
func (w *watch) writeAliases(ctx context.Context, tx *sql.Tx, known roster.Aliases) error {
	for _, alias := range slices.Sorted(maps.Keys(known)) {
		if w.o.Aliases[alias] == known[alias] {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM device_aliases WHERE alias = $1`, alias); err != nil {
			return fmt.Errorf("take back alias %s: %w", alias, err)
		}
		if err := w.auditAlias(ctx, tx, "alias.taken", alias, known[alias]); err != nil {
			return err
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(w.o.Aliases)) {
		device := w.o.Aliases[alias]
		if known[alias] == device {
			continue
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO device_aliases (alias, device, site, since) VALUES ($1, $2, $3, $4)`,
			alias, device, w.o.Site, w.roster.Clock())
		if err != nil {
			return fmt.Errorf("give alias %s: %w", alias, err)
		}
		if err := w.auditAlias(ctx, tx, "alias.given", alias, device); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) auditAlias(ctx context.Context, tx *sql.Tx, action string, alias, device medfleet.DeviceID) error {
	err := state.Audit(ctx, tx, state.Entry{Who: "medfleet", Action: action, Object: string(alias), Detail: string(device), Site: w.o.Site})
	if err != nil {
		return fmt.Errorf("audit alias %s: %w", alias, err)
	}
	return nil
}
