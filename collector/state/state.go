// Package state is the SQL database: devices, events, state intervals, alarms,
// pages and the audit log. It opens and migrates the database; the packages that
// own a table hold its statements. One SQL text serves SQLite, the default, and
// PostgreSQL: times are BIGINT milliseconds, ids are TEXT, booleans are 0 or 1.
package state

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens the database in the folder, or the PostgreSQL database that the
// URL names when it is not empty, and brings its tables up to date. Writing
// transactions wait for one another in both.
func Open(ctx context.Context, folder, postgres string) (*sql.DB, error) {
	if postgres != "" {
		return openPostgres(ctx, postgres)
	}
	file := filepath.Join(folder, "state.db")
	db, err := openSQLite(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return db, nil
}

// sqliteURL sets what durability needs: a transaction that has committed is on
// disk, and a writer waits for the other instead of failing.
func sqliteURL(file string) string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(30000)", "foreign_keys(1)"}, "_txlock": {"immediate"}}
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + pragmas.Encode()
}

func openSQLite(ctx context.Context, file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteURL(file))
	if err != nil {
		return nil, fmt.Errorf("open state database: %w", err)
	}
	if err := migrate(ctx, db, goose.DialectSQLite3); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, files)
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the state database's version: %w", err)
	}
	if current > target {
		return fmt.Errorf("state database is at version %d, this medfleet knows %d: a newer medfleet wrote it; use that one or restore a backup", current, target)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the state database from version %d to %d: %w", current, target, err)
	}
	return nil
}

// Bool gives the smallint of a truth.
func Bool(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Marks gives n placeholders from $first on: "$3, $4, $5".
func Marks(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}
