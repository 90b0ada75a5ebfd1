package sqltx

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/processor/stack"
)

// Start checks that the database can be used.
func (t *layer) Start(ctx context.Context) error {
	if err := t.check(ctx); err != nil {
		return err
	}
	t.outage.Begin(stack.RunFrom(ctx))
	return nil
}

// Stop forgets the run.
func (t *layer) Stop(context.Context) error {
	t.outage.Over()
	return nil
}

// check begins a transaction, to see that the database can, and tries the inbox in it. All is
// rolled back.
func (t *layer) check(ctx context.Context) error {
	// No other process has these rows, so that several consumers can start at once.
	name := "warren start " + rand.Text()
	if err := t.try(ctx, func(tx *sql.Tx) error { return t.tryInbox(ctx, tx, name) }); err != nil {
		return err
	}
	return t.try(ctx, func(tx *sql.Tx) error { return t.tryRollback(ctx, tx, name) })
}

func (t *layer) try(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := t.db.BeginTx(ctx, &t.tx)
	if err != nil {
		return fmt.Errorf("sqltx: begin: %w", err)
	}
	return join(f(tx), rollback(tx))
}

// rollback ends a transaction that tries something. It is no error if the context has ended it already.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("sqltx: roll back: %w", err)
	}
	return nil
}

// tryInbox returns an error if the inbox would skip an unseen message, or would not skip a seen
// one.
func (t *layer) tryInbox(ctx context.Context, tx *sql.Tx, name string) error {
	if !t.marks {
		return nil
	}
	fresh, err := t.put(ctx, tx, name, name)
	if err != nil {
		return err
	}
	if !fresh {
		return errors.New("sqltx: inbox: the statement affects no rows when the table has no such row: have it insert one")
	}
	fresh, err = t.put(ctx, tx, name, name)
	if err != nil {
		return fmt.Errorf("%w; the row was there already: have the statement do nothing then, as ON CONFLICT DO NOTHING does", err)
	}
	if fresh {
		return errors.New("sqltx: inbox: the statement affects a row when the table has the same one already: make queue and id the primary key, and have the statement do nothing then, as ON CONFLICT DO NOTHING does")
	}
	return t.tryNames(ctx, tx, name)
}

// tryNames returns which different queues or ids the table treats as equal.
func (t *layer) tryNames(ctx context.Context, tx *sql.Tx, name string) error {
	long := name + strings.Repeat("x", maxKey-len(name)-1)
	for _, pair := range []struct{ a, b, what string }{
		{name + "1", name + "2", "the primary key has to hold both"},
		{name + "a", name + "A", "upper and lower case are the same: use a binary type or collation"},
		{name + "e", name + "é", "letters with and without an accent are the same: use a binary type or collation"},
		{name + "s", name + "s ", "a space at the end makes no difference: use a binary type"},
		{long + "1", long + "2", fmt.Sprintf("%d bytes do not fit: make the column longer", maxKey)},
	} {
		for _, k := range [][2]string{{name, pair.a}, {name, pair.b}, {pair.a, name}, {pair.b, name}} {
			fresh, err := t.put(ctx, tx, k[0], k[1])
			if err != nil {
				return err
			}
			if !fresh {
				return fmt.Errorf("sqltx: inbox: the table confuses different queues or different ids, so a message would be skipped and lost: %s", pair.what)
			}
		}
	}
	return nil
}

// tryRollback returns an error if the rollback has not removed the row.
func (t *layer) tryRollback(ctx context.Context, tx *sql.Tx, name string) error {
	if !t.marks {
		return nil
	}
	fresh, err := t.put(ctx, tx, name, name)
	if err == nil && !fresh {
		err = errors.New("sqltx: inbox: the table keeps what was rolled back, so a message that failed would be skipped and lost: use one that takes part in transactions, in MySQL ENGINE = InnoDB")
	}
	return err
}
