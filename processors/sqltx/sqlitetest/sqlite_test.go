package sqlitetest_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/sqltx"
)

func build(t *testing.T, db *sql.DB, handler processor.ProcessorFunc, opts ...sqltx.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(sqltx.New(db, opts...)).Then(handler)
	require.NoError(t, err)
	return p
}

func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		handler processor.ProcessorFunc
		want    int
	}{
		"success":            {write, 1},
		"stop after success": {after(write, processor.ErrStop), 1},
		"error":              {after(write, errMail), 0},
		"drop":               {after(write, processor.Drop(errMail)), 0},
		"panic": {func(ctx context.Context, msg processor.Message) error {
			_ = write(ctx, msg)
			panic(errMail)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := newDB(t)
			func() {
				defer func() { _ = recover() }()
				_ = build(t, db, tc.handler, sqltx.Inbox(sqltx.SQLiteInbox)).Process(t.Context(), processortest.NewMessage())
			}()
			require.Equal(t, tc.want, count(t, db, "letters"))
			require.Equal(t, tc.want, count(t, db, "warren_inbox"))
		})
	}
}

// after returns a handler that calls f and returns result.
func after(f processor.ProcessorFunc, result error) processor.ProcessorFunc {
	return func(ctx context.Context, msg processor.Message) error { return errors.Join(f(ctx, msg), result) }
}

func TestSuccessAfterTheEndOfTheContextKeepsNothing(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := build(t, db, func(ctx context.Context, msg processor.Message) error {
		err := write(ctx, msg)
		cancel()
		return err
	}, sqltx.Inbox(sqltx.SQLiteInbox))
	require.ErrorIs(t, p.Process(ctx, processortest.NewMessage()), context.Canceled)
	require.Zero(t, count(t, db, "letters"))
	require.Zero(t, count(t, db, "warren_inbox"))
}

func TestASecondDeliveryDoesNothing(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	p := build(t, db, write, sqltx.Inbox(sqltx.SQLiteInbox))
	for range 3 {
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	}
	require.Equal(t, 1, count(t, db, "letters"))
	require.Equal(t, 1, count(t, db, "warren_inbox WHERE queue = 'test-queue' AND id = 'test-message'"))
}

// The second delivery begins while the first is in flight, and waits for it.
func TestDeliveriesAtOnceAreProcessedOnce(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	p := build(t, db, write, sqltx.Inbox(sqltx.SQLiteInbox))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := p.Process(t.Context(), processortest.NewMessage()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, count(t, db, "letters"))
}

func TestStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		table, statement string
		works            bool
	}{
		"ours":               {"", sqltx.SQLiteInbox, true},
		"no such table":      {"", `INSERT INTO letterbox (queue, id) VALUES (?, ?) ON CONFLICT DO NOTHING`, false},
		"one parameter":      {"", `INSERT INTO warren_inbox (queue, id) VALUES ('all', ?) ON CONFLICT DO NOTHING`, false},
		"the parts in turn":  {"", `INSERT INTO warren_inbox (id, queue) VALUES (?, ?) ON CONFLICT DO NOTHING`, true},
		"fails on a second":  {"", `INSERT INTO warren_inbox (queue, id) VALUES (?, ?)`, false},
		"updates the second": {"", `INSERT INTO warren_inbox (queue, id) VALUES (?, ?) ON CONFLICT DO UPDATE SET id = id`, false},
		"no key":             {`CREATE TABLE b (q text, i text)`, `INSERT INTO b VALUES (?, ?)`, false},
		"case does not count": {
			`CREATE TABLE b (q text COLLATE nocase, i text COLLATE nocase, PRIMARY KEY (q, i))`,
			`INSERT INTO b VALUES (?, ?) ON CONFLICT DO NOTHING`, false,
		},
		"spaces do not count": {
			`CREATE TABLE b (q text, i text COLLATE rtrim, PRIMARY KEY (q, i))`,
			`INSERT INTO b VALUES (?, ?) ON CONFLICT DO NOTHING`, false,
		},
		"the key is the id": {
			`CREATE TABLE b (q text, i text PRIMARY KEY)`,
			`INSERT INTO b VALUES (?, ?) ON CONFLICT DO NOTHING`, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := newDB(t)
			_, err := db.ExecContext(t.Context(), tc.table)
			require.NoError(t, err)
			err = build(t, db, write, sqltx.Inbox(tc.statement)).Start(t.Context())
			if tc.works {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "sqltx: inbox")
			}
			require.Zero(t, count(t, db, "warren_inbox"), "nothing is left of it")
		})
	}
}

func TestStartWithoutADatabase(t *testing.T) {
	t.Parallel()
	db, err := connect(t.TempDir(), "0") // a directory
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.Error(t, build(t, db, write).Start(t.Context()))
}
