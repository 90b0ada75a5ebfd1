package sqltx_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// fakeDB is a database with one table, whose rows are texts. Each statement inserts one, unless it
// exists. It logs its calls, and fails where told to.
type fakeDB struct {
	failBegin, failCommit, failRollback, failExec error

	same      func(row string) string // the row as the table sees it; nil for unchanged
	forgets   bool                    // each row is new
	exists    bool                    // no row is new
	duplicate error                   // of a row that is there already
	noUndo    bool                    // a rollback undoes nothing

	mu   sync.Mutex
	log  []string
	rows map[string]bool
}

// open returns a pool of connections to the fake.
func (f *fakeDB) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db := sql.OpenDB(f)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// note adds to the log.
func (f *fakeDB) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, what)
}

func (f *fakeDB) notes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fakeDB) setFailBegin(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failBegin = err
}

func (f *fakeDB) kept() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.rows))
}

func (f *fakeDB) Connect(context.Context) (driver.Conn, error) { return &fakeConn{db: f}, nil }
func (f *fakeDB) Driver() driver.Driver                        { return nil }

type fakeConn struct {
	db      *fakeDB
	pending map[string]bool
}

var (
	_ driver.Connector       = (*fakeDB)(nil)
	_ driver.ConnBeginTx     = (*fakeConn)(nil)
	_ driver.ExecerContext   = (*fakeConn)(nil)
	_ driver.SessionResetter = (*fakeConn)(nil)
)

func (*fakeConn) Close() error                       { return nil }
func (*fakeConn) ResetSession(context.Context) error { return nil }

func (*fakeConn) Prepare(string) (driver.Stmt, error) { panic("nothing prepares statements") }
func (*fakeConn) Begin() (driver.Tx, error)           { panic("BeginTx is there") }

func (c *fakeConn) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	what := "begin"
	if o.ReadOnly || o.Isolation != 0 {
		what = fmt.Sprintf("begin, isolation %d, read only %t", o.Isolation, o.ReadOnly)
	}
	c.db.note(what)
	c.pending = map[string]bool{}
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	return c, c.db.failBegin
}

func (c *fakeConn) Commit() error {
	c.db.note("commit")
	if err := c.db.failCommit; err != nil {
		return err
	}
	c.keep()
	return nil
}

func (c *fakeConn) Rollback() error {
	c.db.note("rollback")
	if c.db.noUndo {
		c.keep()
	}
	return c.db.failRollback
}

func (c *fakeConn) keep() {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if c.db.rows == nil {
		c.db.rows = map[string]bool{}
	}
	maps.Copy(c.db.rows, c.pending)
}

func (c *fakeConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	row := query
	for _, a := range args {
		row += fmt.Sprintf("|%v", a.Value)
	}
	c.db.note(row)
	if err := c.db.failExec; err != nil {
		return nil, err
	}
	if c.db.same != nil {
		row = c.db.same(row)
	}
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	there := c.pending[row] || c.db.rows[row]
	c.pending[row] = true
	switch {
	case c.db.exists || there && !c.db.forgets && c.db.duplicate == nil:
		return driver.RowsAffected(0), nil
	case there && c.db.duplicate != nil:
		return nil, c.db.duplicate
	default:
		return driver.RowsAffected(1), nil
	}
}
