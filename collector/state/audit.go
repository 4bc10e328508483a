package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Entry is one line of the audit log: who did what to which thing.
type Entry struct {
	Who, Action, Object, Detail, Site string
}

// Audit appends an entry in the transaction of the change it tells of. Its hash
// covers the entry before it, so that a line that was changed or taken out
// shows in every later one. That transactions write one after the other keeps the
// numbers apart.
func Audit(ctx context.Context, tx *sql.Tx, e Entry) error {
	e = Entry{storable(e.Who), storable(e.Action), storable(e.Object), storable(e.Detail), storable(e.Site)}
	var number int64
	var before string
	err := tx.QueryRowContext(ctx, `SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1`).Scan(&number, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read audit log: %w", err)
	}
	at := time.Now().UnixMilli()
	_, err = tx.ExecContext(ctx,
		`INSERT INTO audit (number, at, who, action, object, detail, site, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		number+1, at, e.Who, e.Action, e.Object, e.Detail, e.Site, e.hash(before, number+1, at))
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

func (e Entry) hash(before string, number, at int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%q\x00%q\x00%q\x00%q\x00%q", before, number, at, e.Who, e.Action, e.Object, e.Detail, e.Site))
	return hex.EncodeToString(sum[:])
}

// CheckAudit walks the audit log and fails at the first entry whose hash does
// not follow from the one before it.
func CheckAudit(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT number, at, who, action, object, detail, site, hash FROM audit ORDER BY number`)
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	defer rows.Close()
	before, expected := "", int64(1)
	for rows.Next() {
		var e Entry
		var number, at int64
		var hash string
		if err := rows.Scan(&number, &at, &e.Who, &e.Action, &e.Object, &e.Detail, &e.Site, &hash); err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		if number != expected || hash != e.hash(before, number, at) {
			return fmt.Errorf("audit log: entry %d was changed, or one before it was taken out", number)
		}
		before, expected = hash, number+1
	}
	return rows.Err()
}
