package state

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// CheckPostgres says what is wrong with the URL of a PostgreSQL database, without
// connecting. The URL may hold a password: no error repeats it.
func CheckPostgres(url string) error {
	_, err := parsePostgres(url)
	return err
}

func parsePostgres(url string) (*pgx.ConnConfig, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("not the URL of a PostgreSQL database: write postgres://user@host:5432/database?sslmode=verify-full")
	}
	config, err := pgx.ParseConfig(url)
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return nil, fmt.Errorf("a file that the URL names: %w", file)
	case err != nil || strings.ContainsAny(config.Database, "@:/"): // the error is not passed on: it quotes the URL
		return nil, errors.New("the URL cannot be read: write postgres://user@host:5432/database?sslmode=verify-full; " +
			"check port and sslmode; in a password write what is neither letter nor digit as % and two hexadecimal digits, or give it in PGPASSWORD or ~/.pgpass")
	case mayBePlain(config) && !strings.Contains(url, "sslmode=disable") && os.Getenv("PGSSLMODE") != "disable":
		return nil, fmt.Errorf("host %s would be spoken to in plain text if it has no TLS: add ?sslmode=verify-full, or ?sslmode=disable to allow it", config.Host)
	}
	return config, nil
}

// mayBePlain reports whether some way to the database leaves this machine
// without encryption.
func mayBePlain(c *pgx.ConnConfig) bool {
	ways := append([]*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	for _, w := range ways {
		address, err := netip.ParseAddr(w.Host)
		near := strings.HasPrefix(w.Host, "/") || w.Host == "localhost" || err == nil && address.IsLoopback()
		if w.TLSConfig == nil && !near {
			return true
		}
	}
	return false
}

// maxConnections leaves room for others: a server has 100 if nobody said otherwise.
const maxConnections = 16

func openPostgres(ctx context.Context, url string) (*sql.DB, error) {
	config, err := parsePostgres(url)
	if err != nil {
		return nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "medfleet"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*config, stdlib.OptionAfterConnect(prepare))})
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(4)
	err = checkDatabase(ctx, db)
	if err == nil {
		err = migrate(ctx, db, goose.DialectPostgres)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open state database %s on %s:%d as user %s: %w%s", config.Database, config.Host, config.Port, config.User, err, remedy(err))
	}
	return db, nil
}

// remedy says what to do about a failure to open.
func remedy(err error) string {
	var refused *pgconn.PgError
	var unreached *pgconn.ConnectError
	switch {
	case errors.As(err, &refused):
		switch refused.Code {
		case "28P01", "28000": // invalid_password, invalid_authorization_specification
			return "; check user, password and the server's pg_hba.conf"
		case "3D000": // invalid_catalog_name
			return "; make the database: createdb --owner=USER --encoding=UTF8 --template=template0 DATABASE"
		case "53300": // too_many_connections
			return "; raise the server's max_connections"
		}
	case errors.As(err, &unreached):
		return "; check that PostgreSQL runs there and lets this machine in"
	}
	return ""
}

// checkDatabase refuses a database that could not keep every name that a device
// has, since the first one it refuses would hold up all alarms, and one in which
// the tables cannot be made.
func checkDatabase(ctx context.Context, db *sql.DB) error {
	var encoding string
	var mayCreate bool
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_encoding'), COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE)`).
		Scan(&encoding, &mayCreate)
	switch {
	case err != nil:
		return err
	case encoding != "UTF8":
		return fmt.Errorf("its encoding is %s: make one with --encoding=UTF8 --template=template0", encoding)
	case !mayCreate:
		return errors.New("the user may not make tables: make the user the database's owner")
	}
	return nil
}

// prepare gives a new connection what SQLite has by its pragmas: what has
// committed is on disk, and a writer waits for the other, but not for ever. The
// server ends a transaction whose collector died, before the next one gives up.
func prepare(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SELECT set_config('lock_timeout', '5s', false),
		set_config('idle_in_transaction_session_timeout', '15s', false),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)`)
	if err != nil {
		return errors.Join(fmt.Errorf("prepare connection: %w", err), c.Close(ctx))
	}
	return nil
}

// connector makes transactions on PostgreSQL behave as on SQLite. The SQL text is
// one for both, so what one transaction may see of another has to be one too.
type connector struct{ driver.Connector }

// Connect opens a connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	plain, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{plain.(*stdlib.Conn)}, nil
}

type conn struct{ *stdlib.Conn }

// oneWriter is the advisory lock that a writing transaction holds: any number,
// as long as nobody else in the database has it.
const oneWriter = `SELECT pg_advisory_xact_lock(7235418091162703201)`

// BeginTx waits for the writing transaction before, as `_txlock=immediate` does:
// two of them would number the audit log alike, or wait for each other's alarms.
// Read committed, so that what the other wrote is seen after the wait.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o.Isolation == driver.IsolationLevel(sql.LevelDefault) {
		o.Isolation = driver.IsolationLevel(sql.LevelReadCommitted)
	}
	tx, err := c.Conn.BeginTx(ctx, o)
	if err != nil || o.ReadOnly {
		return tx, err
	}
	if _, err := c.ExecContext(ctx, oneWriter, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the writer before: %w", err), tx.Rollback())
	}
	return tx, nil
}

// CheckNamedValue makes texts such as PostgreSQL takes.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if text := reflect.ValueOf(v.Value); text.Kind() == reflect.String {
		v.Value = storable(text.String())
		return nil
	}
	return c.Conn.CheckNamedValue(v)
}

// storable replaces what is no UTF-8, and NUL. SQLite takes both, PostgreSQL
// neither, and a watch that insists on writing one would raise no further alarm.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
