package outbox_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/publisher/identity"
	"github.com/gowarren/warren/publisher/outbox"
)

// unreachable is a database that nothing here connects to. Package databasetest has real ones.
type unreachable struct{}

func (unreachable) Connect(context.Context) (driver.Conn, error) { return nil, driver.ErrBadConn }
func (unreachable) Driver() driver.Driver                        { return nil }

func db(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(unreachable{})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestWrongOptionsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]outbox.Option{
		"nil":           {nil},
		"quoted table":  {outbox.Table(`"a"`)},
		"three parts":   {outbox.Table("a.b.c")},
		"injection":     {outbox.Table("a; DROP TABLE b")},
		"long table":    {outbox.Table(strings.Repeat("a", 60))},
		"long channel":  {outbox.Notify(strings.Repeat("a", 64))},
		"empty a table": {outbox.Table("")},
	} {
		_, err := outbox.New(outbox.Postgres, opts...)
		require.Error(t, err, name)
	}
	_, err := outbox.New(outbox.MySQL, outbox.Notify("a"))
	require.Error(t, err, "only PostgreSQL notifies")
	_, err = outbox.New(0)
	require.Error(t, err)

	for name, o := range map[string]outbox.RelayOption{
		"nil": nil, "table": outbox.From("a b"), "workers": outbox.Workers(0), "batch": outbox.Batch(0), "poll": outbox.Poll(0),
		"short lease": outbox.Lease(time.Millisecond), "long lease": outbox.Lease(2 * time.Hour), "unit": outbox.SetAsideAfter(300),
	} {
		_, err := outbox.NewRelay(db(t), outbox.SQLite, &processortest.Publisher{}, o)
		require.Error(t, err, name)
	}
	_, err = outbox.NewRelay(nil, outbox.SQLite, &processortest.Publisher{})
	require.Error(t, err)
	_, err = outbox.NewRelay(db(t), outbox.SQLite, nil)
	require.Error(t, err)
}

func TestTheSchemaHasTheNamesThatItIsGiven(t *testing.T) {
	t.Parallel()
	for _, d := range []outbox.Dialect{outbox.Postgres, outbox.MySQL, outbox.SQLite} {
		statements, err := outbox.Schema(d, "shop.mails")
		require.NoError(t, err)
		for _, s := range statements {
			require.NotContains(t, s, "warren")
			require.NotContains(t, s, "{")
			require.NotContains(t, s, "shop.mails_failed", "an index is in the schema of its table")
		}
		_, err = outbox.Schema(d, "shop-mails")
		require.Error(t, err)
	}
	_, err := outbox.Schema(7, "")
	require.Error(t, err)
}

func box(t *testing.T) processor.Publisher {
	t.Helper()
	p, err := outbox.New(outbox.SQLite)
	require.NoError(t, err)
	return p
}

// A publisher without a transaction would fail for each message.
func TestAnOutboxIsRefusedWhereThereIsNoTransaction(t *testing.T) {
	t.Parallel()
	decorated, err := identity.New(box(t))
	require.NoError(t, err)
	handler := respond.Handler(func(context.Context, processor.Message) ([]respond.Result, error) { return nil, nil })
	for _, p := range []processor.Publisher{box(t), decorated} {
		require.True(t, processor.WithinTransaction(p))
		for name, layers := range map[string][]processor.Middleware{
			"respond without sqltx":     {ack.New(), respond.New(p)},
			"respond outside sqltx":     {ack.New(), respond.New(p), sqltx.New(db(t))},
			"respond that answers":      {ack.New(), sqltx.New(db(t)), respond.New(p, respond.Errors(processor.Destination{RoutingKey: "e"}, nil, nil))},
			"retry":                     {ack.New(), retry.New(p, "r_%attempt%")},
			"backoff":                   {ack.New(), backoff.New(p, "q")},
			"respond without an outbox": {ack.New(), sqltx.New(db(t)), respond.New(&processortest.Publisher{})},
		} {
			_, err := stack.New(layers...).Then(handler)
			require.Error(t, err, name)
		}
		pipeline, err := stack.New(ack.New(), sqltx.New(db(t)), respond.New(p)).Then(handler)
		require.NoError(t, err)
		require.NotEmpty(t, pipeline.Describe())
		_, err = outbox.NewRelay(db(t), outbox.SQLite, p)
		require.Error(t, err, "a relay into an outbox")
	}
	require.False(t, processor.WithinTransaction(&processortest.Publisher{}))
}

func TestWhatCanNeverBeSentIsNotWritten(t *testing.T) {
	t.Parallel()
	e := processor.Envelope{Headers: processor.Headers{"x": struct{}{}}}
	errs := processor.PublishBatch(t.Context(), box(t), processor.Destination{}, []processor.Envelope{{}, e, {}})
	require.ErrorIs(t, errs[0], processor.ErrSkipped)
	require.ErrorIs(t, errs[1], processor.ErrHeaderType)
	require.ErrorIs(t, errs[2], processor.ErrSkipped)
	require.ErrorIs(t, box(t).Publish(t.Context(), processor.Destination{RoutingKey: strings.Repeat("k", 256)}, e), processor.ErrTooLarge)
	require.ErrorIs(t, box(t).Publish(t.Context(), processor.Destination{}, processor.Envelope{}), outbox.ErrNoTransaction)
}

// A relay that was ended while it began returned the error of its database.
func TestARelayThatIsEndedAtItsStartReturnsNil(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := outbox.NewRelay(db(t), outbox.SQLite, &processortest.Publisher{})
	require.NoError(t, err)
	require.NoError(t, r.Run(ctx))
	require.Error(t, r.Run(t.Context()), "there is no database")
}
