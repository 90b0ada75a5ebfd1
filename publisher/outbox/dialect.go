package outbox

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"
)

// Dialect is the kind of a database.
type Dialect uint8

// The dialects.
const (
	// Postgres needs PostgreSQL 10 or newer.
	Postgres Dialect = iota + 1
	// MySQL needs MySQL 8.0 or MariaDB 10.6, or newer.
	MySQL
	// SQLite needs SQLite 3.24 or newer.
	SQLite
)

var errDialect = errors.New("outbox: the dialect is none of Postgres, MySQL and SQLite")

func (d Dialect) check() error {
	if d < Postgres || d > SQLite {
		return errDialect
	}
	return nil
}

// query returns a statement that is written with a question mark for each parameter in the dialect's own way. There is
// no question mark in the statements but for parameters.
func (d Dialect) query(statement string) string {
	if d != Postgres {
		return statement
	}
	parts := strings.Split(statement, "?")
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// skipsLocked reports whether a statement can leave out rows that another transaction has locked.
func (d Dialect) skipsLocked() bool { return d != SQLite }

// transaction returns the options of the relay's transactions. Each statement has to see what was committed before it: in
// MySQL's default, repeatable read, a claim would see what it had seen before it waited.
func (d Dialect) transaction() *sql.TxOptions {
	if d == SQLite {
		return nil // serializable, and drivers refuse any other
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// list returns n question marks.
func list(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }
