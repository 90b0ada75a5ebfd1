package sqltx_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(tb testing.TB) processor.Middleware {
			tb.Helper()
			return sqltx.New((&fakeDB{}).open(tb))
		},
		Allocates: true, // the transaction, and a context that carries it
	})
}

func TestConformanceWithInbox(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(tb testing.TB) processor.Middleware {
			tb.Helper()
			// The suite sends many messages with one id.
			return sqltx.New((&fakeDB{forgets: true}).open(tb), sqltx.Inbox("mark"))
		},
		Allocates: true,
	})
}

var errMail = errors.New("mail server says no")

// write is a handler that writes a row and returns result.
func write(result error) processor.ProcessorFunc {
	return func(ctx context.Context, _ processor.Message) error {
		tx, err := sqltx.From(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "letter")
		return errors.Join(err, result)
	}
}

func build(t *testing.T, db *fakeDB, handler processor.ProcessorFunc, opts ...sqltx.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(sqltx.New(db.open(t), opts...)).Then(handler)
	require.NoError(t, err)
	return p
}

func TestCommitFollowsTheDecision(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result error
		end    string
	}{
		"success":            {nil, "commit"},
		"stop after success": {processor.ErrStop, "commit"},
		"error":              {errMail, "rollback"},
		"drop":               {processor.Drop(errMail), "rollback"},
		"reject":             {processor.Reject(errMail), "rollback"},
		"requeue":            {processor.Requeue(errMail), "rollback"},
		"release":            {processor.Release(errMail), "rollback"},
		"stop with an error": {processor.Stop(errMail), "rollback"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &fakeDB{}
			err := build(t, db, write(tc.result)).Process(t.Context(), processortest.NewMessage())
			require.ErrorIs(t, err, tc.result)
			require.Equal(t, []string{"begin", "letter", tc.end}, db.notes())
		})
	}
}

func TestTheHandlersErrorIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	p := build(t, &fakeDB{}, func(context.Context, processor.Message) error { return errMail })
	require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
}

func TestTheMessageIsAckedAfterTheCommit(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p, err := stack.New(ack.New(), sqltx.New(db.open(t))).Then(write(nil))
	require.NoError(t, err)
	d := broker.NewDelivery(processor.Envelope{}, processor.Origin{}, acks{db}, 1)
	require.NoError(t, p.Process(t.Context(), d))
	require.Equal(t, []string{"begin", "letter", "commit", "ack"}, db.notes())
}

// acks adds settlements to the database's log.
type acks struct{ db *fakeDB }

func (a acks) Ack(uint64) error        { a.db.note("ack"); return nil }
func (a acks) Nack(uint64, bool) error { a.db.note("nack"); return nil }
func (a acks) Release(uint64) error    { a.db.note("release"); return nil }

func TestAPanicRollsBackAndGoesOn(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p := build(t, db, func(ctx context.Context, msg processor.Message) error {
		_ = write(nil)(ctx, msg)
		panic(errMail)
	})
	require.PanicsWithValue(t, errMail, func() { _ = p.Process(t.Context(), processortest.NewMessage()) })
	require.Equal(t, []string{"begin", "letter", "rollback"}, db.notes())
}

func TestAPanicThatIsRecoveredInsideRollsBack(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p, err := stack.New(sqltx.New(db.open(t)), recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error { panic(errMail) })
	require.NoError(t, err)
	require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
	require.Equal(t, []string{"begin", "rollback"}, db.notes())
}

func TestGoexitRollsBack(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p := build(t, db, func(context.Context, processor.Message) error { runtime.Goexit(); return nil })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Process(t.Context(), processortest.NewMessage())
	}()
	<-ended
	require.Equal(t, []string{"begin", "rollback"}, db.notes())
}

func TestAFailedBeginGivesTheMessageBackUntouched(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	db := &fakeDB{failBegin: down}
	pub := &processortest.Publisher{}
	p, err := stack.New(ack.New(), retry.New(pub, "r_%attempt%"), sqltx.New(db.open(t))).Then(write(nil))
	require.NoError(t, err)
	msg := processortest.NewMessage()
	err = p.Process(t.Context(), msg)
	require.ErrorIs(t, err, down)
	require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(err))
	require.Empty(t, msg.Settlements(), "left to the consumer")
	require.Empty(t, pub.Published(), "an outage uses up no attempts")
}

func TestAFailedCommitIsRetried(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	db := &fakeDB{failCommit: lost}
	pub := &processortest.Publisher{}
	p, err := stack.New(ack.New(), retry.New(pub, "r_%attempt%"), sqltx.New(db.open(t))).Then(write(nil))
	require.NoError(t, err)
	msg := processortest.NewMessage()
	require.NoError(t, p.Process(t.Context(), msg))
	require.Len(t, pub.Published(), 1)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Empty(t, db.kept())
}

func TestAFailedCommitKeepsTheWishToStop(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	err := build(t, &fakeDB{failCommit: lost}, write(processor.ErrStop)).Process(t.Context(), processortest.NewMessage())
	require.ErrorIs(t, err, lost)
	require.Equal(t, processor.Decision{Action: processor.Failed, Stop: true}, processor.Decide(err))
}

func TestAFailedRollbackIsReportedBesideTheDecision(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	err := build(t, &fakeDB{failRollback: lost}, write(processor.Reject(errMail))).Process(t.Context(), processortest.NewMessage())
	require.ErrorIs(t, err, lost)
	require.ErrorIs(t, err, errMail)
	require.Equal(t, processor.Rejected, processor.Decide(err).Action)
}

// database/sql rolls back as soon as the context ends, while the handler is still busy.
func TestSuccessAfterTheEndOfTheContextGoesBackToTheQueue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause error
		want  []processortest.Settlement
	}{
		"shutdown": {processor.ErrShutdown, nil},
		"another":  {errMail, []processortest.Settlement{processortest.Requeued}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := &fakeDB{}
			ctx, cancel := context.WithCancelCause(t.Context())
			p, err := stack.New(ack.New(), sqltx.New(db.open(t))).
				ThenFunc(func(ctx context.Context, msg processor.Message) error {
					err := write(nil)(ctx, msg)
					cancel(tc.cause)
					return err
				})
			require.NoError(t, err)
			msg := processortest.NewMessage()
			require.ErrorIs(t, p.Process(ctx, msg), context.Canceled)
			require.Equal(t, tc.want, msg.Settlements())
			require.NotContains(t, db.notes(), "commit")
			require.Empty(t, db.kept())
		})
	}
}

// The layer with the deadline is outside and decides; its own context goes on.
func TestSuccessAfterADeadlineOfALayerOutsideIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &fakeDB{}
		p := build(t, db, func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, p.Process(ctx, processortest.NewMessage()), context.DeadlineExceeded)
		require.NotContains(t, db.notes(), "commit")
	})
}

func TestAHandlerThatEndsTheTransactionItself(t *testing.T) {
	t.Parallel()
	end := func(end func(*sql.Tx) error, result error) processor.ProcessorFunc {
		return func(ctx context.Context, _ processor.Message) error {
			tx, err := sqltx.From(ctx)
			return errors.Join(err, end(tx), result)
		}
	}
	for _, f := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		err := build(t, &fakeDB{}, end(f, nil)).Process(t.Context(), processortest.NewMessage())
		require.ErrorIs(t, err, sql.ErrTxDone, "who knows what was kept")
		require.Equal(t, processor.Failed, processor.Decide(err).Action)

		err = build(t, &fakeDB{}, end(f, errMail)).Process(t.Context(), processortest.NewMessage())
		require.ErrorIs(t, err, errMail)
		require.NotErrorIs(t, err, sql.ErrTxDone, "it has failed, and is over: nothing to add")
	}
}

func TestTxOptionsReachTheDriver(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p := build(t, db, func(context.Context, processor.Message) error { return nil },
		sqltx.TxOptions(sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true}))
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.Equal(t, []string{"begin, isolation 6, read only true", "commit"}, db.notes())
}

func TestFromWithoutATransactionIsAnError(t *testing.T) {
	t.Parallel()
	tx, err := sqltx.From(t.Context())
	require.Error(t, err)
	require.Nil(t, tx)
}

// The inner commit would succeed and the outer might not; with an inbox in the inner one, the
// outer's writes would be lost.
func TestATransactionInAnotherEndsTheRun(t *testing.T) {
	t.Parallel()
	outer, inner := sqltx.New((&fakeDB{}).open(t)), sqltx.New((&fakeDB{}).open(t))
	p := outer(inner(write(nil)))
	d := processor.Decide(p.Process(t.Context(), processortest.NewMessage()))
	require.Equal(t, processor.Decision{Action: processor.Requeued, Stop: true}, d)
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	db := (&fakeDB{}).open(t)
	for want, m := range map[string]processor.Middleware{
		"the database is nil":     sqltx.New(nil),
		"option 1 is nil":         sqltx.New(db, nil),
		"the inbox statement is":  sqltx.New(db, sqltx.Inbox("")),
		"in read-only transactio": sqltx.New(db, sqltx.Inbox("mark"), sqltx.TxOptions(sql.TxOptions{ReadOnly: true})),
	} {
		_, err := stack.New(m).Then(write(nil))
		require.ErrorContains(t, err, want)
	}
}

func TestStackRefusesATransactionOutsideAckOrRetry(t *testing.T) {
	t.Parallel()
	tx := sqltx.New((&fakeDB{}).open(t))
	for _, inner := range []processor.Middleware{ack.New(), retry.New(&processortest.Publisher{}, "r_%attempt%")} {
		_, err := stack.New(tx, inner).Then(write(nil))
		require.ErrorIs(t, err, stack.ErrOrder)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	settings := func(opts ...sqltx.Option) []stack.Setting {
		return build(t, &fakeDB{}, write(nil), opts...).Describe().Layers[0].Settings
	}
	require.Equal(t, []stack.Setting{
		{Name: "isolation", Value: "Default"}, {Name: "read only", Value: "false"}, {Name: "inbox", Value: "none"},
	}, settings())
	require.Equal(t, []stack.Setting{
		{Name: "isolation", Value: "Serializable"}, {Name: "read only", Value: "false"}, {Name: "inbox", Value: "mark"},
	}, settings(sqltx.Inbox("mark"), sqltx.TxOptions(sql.TxOptions{Isolation: sql.LevelSerializable})))
}
