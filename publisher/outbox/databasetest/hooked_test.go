package databasetest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hooked is a database of which a test sees each read of a relay's messages, when that has its first row.
type hooked struct {
	under driver.Driver

	dsn  string
	read func()
}

func (h *hooked) Connect(context.Context) (driver.Conn, error) {
	c, err := h.under.Open(h.dsn)
	return &hookedConn{c, h.read}, err
}

func (h *hooked) Driver() driver.Driver { return h.under }

type hookedConn struct {
	driver.Conn

	read func()
}

func (c *hookedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args) //nolint:forcetypeassert // SQLite's is
	if strings.HasPrefix(query, "SELECT o.seq") {
		c.read()
	}
	return rows, err
}

func (c *hookedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args) //nolint:forcetypeassert // as above
}

func (c *hookedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts) //nolint:forcetypeassert // as above
}

// onRead returns the same database, for a relay, with a function for after each of its reads.
func (d *database) onRead(tb testing.TB, read func()) *database {
	tb.Helper()
	db := sql.OpenDB(&hooked{d.Driver(), d.dsn, read})
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return &database{kind: d.kind, DB: db, dsn: d.dsn}
}
