package sqltx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/outage"
	"github.com/gowarren/warren/internal/transaction"
	"github.com/gowarren/warren/internal/unbegun"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Option changes how transactions are made.
type Option func(*config)

// TxOptions sets the isolation level, and whether transactions are read-only. Default: the driver's
// level, and not read-only. Start fails on options that the driver does not know.
func TxOptions(o sql.TxOptions) Option { return func(c *config) { c.tx = o } }

// Logger sets where messages that the inbox skips are logged (at level info), and the first that it
// cannot mark (warn). Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that runs the inner layers in a transaction of db. It is safe for
// concurrent use. It allocates the transaction, and a context that carries it.
//
// A run does not start while db cannot begin a transaction, or if the inbox does not work;
// see [Inbox]. The layer does not close db.
//
// The stack refuses a nil db, a nil option, an empty inbox statement, and an inbox in
// read-only transactions.
func New(db *sql.DB, opts ...Option) processor.Middleware {
	c := config{db: db}
	if err := option.Apply("sqltx", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &layer{config: c, next: next, outage: outage.Outage{What: "the database", Log: c.log}}
	}
}

type config struct {
	db     *sql.DB
	tx     sql.TxOptions
	marks  bool // there is an inbox
	insert string
	log    *slog.Logger
}

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if c.db == nil {
		errs = append(errs, errors.New("sqltx: the database is nil: pass what sql.Open returned"))
	}
	if c.marks && c.insert == "" {
		errs = append(errs, errors.New("sqltx: the inbox statement is empty: give one such as PostgresInbox, or leave Inbox out"))
	}
	if c.marks && c.tx.ReadOnly {
		errs = append(errs, errors.New("sqltx: an inbox cannot be written to in read-only transactions: leave out Inbox or ReadOnly"))
	}
	return errors.Join(errs...)
}

type layer struct {
	config
	next   processor.Processor
	warned atomic.Bool // of a message that cannot be marked
	outage outage.Outage
}

var (
	_ stack.Layer     = (*layer)(nil)
	_ stack.Wrapper   = (*layer)(nil)
	_ stack.Predictor = (*layer)(nil)
	_ stack.Describer = (*layer)(nil)
	_ stack.Starter   = (*layer)(nil)
	_ stack.Stopper   = (*layer)(nil)
)

// Name is "sqltx".
func (*layer) Name() string { return "sqltx" }

// Role is [stack.Transacts].
func (*layer) Role() stack.Role { return stack.Transacts }

// Unwrap returns the inner layers.
func (t *layer) Unwrap() processor.Processor { return t.next }

// Predict returns o unchanged.
func (*layer) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (t *layer) Settings() []stack.Setting {
	inbox := "none"
	if t.marks {
		inbox = t.insert
	}
	return []stack.Setting{
		{Name: "isolation", Value: t.tx.Isolation.String()},
		{Name: "read only", Value: strconv.FormatBool(t.tx.ReadOnly)},
		{Name: "inbox", Value: inbox},
	}
}

// Process runs the inner layers in a transaction.
func (t *layer) Process(ctx context.Context, msg processor.Message) error {
	if transaction.From(ctx) != nil {
		return processor.Stop(processor.Requeue(errNested))
	}
	tx, err := t.db.BeginTx(ctx, &t.tx)
	if err != nil {
		return t.notBegun(ctx, fmt.Errorf("sqltx: begin: %w", err))
	}
	// For a message that does not begin. Otherwise the transaction has ended by then, and this does nothing.
	defer func() { _ = tx.Rollback() }()
	seen, err := t.mark(ctx, tx, msg)
	if err != nil {
		return t.notBegun(ctx, err)
	}
	if seen {
		return nil
	}
	return t.inside(ctx, tx, msg)
}

// inside runs the inner layers in tx and ends it.
func (t *layer) inside(ctx context.Context, tx *sql.Tx, msg processor.Message) error {
	returned := false
	defer func() {
		if returned {
			return
		}
		// A panic or Goexit goes on, and no error can be returned.
		if err := t.fail(ctx, tx, msg, nil); err != nil {
			logattr.Or(t.log).LogAttrs(ctx, slog.LevelError, "the transaction of a handler that did not return", logattr.Of(msg, err)...)
		}
	}()
	inner := &transaction.Transaction{SQL: tx}
	err := t.next.Process(inner.In(ctx), msg)
	returned = true
	if processor.Decide(err).Action != processor.Done {
		return t.fail(ctx, tx, msg, err)
	}
	failure := commit(ctx, tx)
	if failure == nil {
		inner.Committed()
	}
	return join(err, failure)
}

// notBegun pauses the run if the database is down. What waited for it goes back, or has failed in its own time.
func (t *layer) notBegun(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		t.outage.Down(err, t.check) //nolint:contextcheck // the pause outlives the message
	}
	return unbegun.Result(ctx, err)
}

// commit ends the transaction of a message that succeeded.
func commit(ctx context.Context, tx *sql.Tx) error {
	err := tx.Commit()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // database/sql has rolled back, or is about to
		return fmt.Errorf("sqltx: commit: %w: %w", ctx.Err(), err)
	case errors.Is(err, sql.ErrTxDone):
		return fmt.Errorf("sqltx: the handler has ended its transaction itself: leave Commit and Rollback to sqltx, and return an error for a rollback: %w", err)
	default:
		return fmt.Errorf("sqltx: commit: %w", err)
	}
}

// join returns an error unchanged if there is no other: the handler's type may matter.
func join(err, failure error) error {
	if failure == nil {
		return err
	}
	return errors.Join(err, failure)
}
