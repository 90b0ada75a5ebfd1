package processors_test

import (
	"context"
	"database/sql/driver"
	"errors"
)

// database only begins, commits and rolls back.
type database struct {
	commit           error // of each commit
	begun, committed *int  // counts; nil if not needed
}

func (d database) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d database) Driver() driver.Driver                        { return nil }
func (d database) Rollback() error                              { return nil }
func (d database) Close() error                                 { return nil }

func (d database) Begin() (driver.Tx, error) {
	count(d.begun)
	return d, nil
}

func (d database) Commit() error {
	count(d.committed)
	return d.commit
}

func (d database) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("there are no statements")
}

func count(n *int) {
	if n != nil {
		*n++
	}
}
