package sqltx

import (
	"context"
	"database/sql"
	"errors"

	"github.com/gowarren/warren/internal/transaction"
)

var (
	errMissing = errors.New("sqltx: there is no transaction in this context: put sqltx.New into the stack, and pass on the context that the handler is given")
	errNested  = errors.New("sqltx: this message is in a transaction of another sqltx layer already: leave one of them out, since two databases do not commit as one")
)

// From returns the transaction of the message that ctx belongs to. It ends when the handler
// returns: the handler must not commit, roll back or keep it (see the package documentation for what happens if it
// does). Like every [sql.Tx] it does one thing
// at a time. Return the errors of its statements: after some, such as a deadlock in MySQL, the
// database has rolled back already, and a commit of later statements would succeed.
//
// Without a transaction it returns an error, so that a handler without this layer fails, and a
// function that works both ways can fall back on the database:
//
//	tx, err := sqltx.From(ctx)
//	if err != nil {
//		return err
//	}
//	_, err = tx.ExecContext(ctx, "INSERT INTO letters (id) VALUES ($1)", id)
//	return err
func From(ctx context.Context) (*sql.Tx, error) {
	if t := transaction.From(ctx); t != nil {
		return t.SQL, nil
	}
	return nil, errMissing
}
