package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Position reads how far a reader of the journal has come, 0 when it is new.
func Position(ctx context.Context, db *sql.DB, reader string) (uint64, error) {
	var sequence int64
	err := db.QueryRowContext(ctx, `SELECT sequence FROM positions WHERE reader = $1`, reader).Scan(&sequence)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read position of %s: %w", reader, err)
	}
	return uint64(sequence), nil
}

// Move moves a reader's position in the transaction of what it caused.
func Move(ctx context.Context, tx *sql.Tx, reader string, sequence uint64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO positions (reader, sequence) VALUES ($1, $2)
		ON CONFLICT (reader) DO UPDATE SET sequence = excluded.sequence`, reader, int64(sequence))
	if err != nil {
		return fmt.Errorf("move position of %s: %w", reader, err)
	}
	return nil
}
