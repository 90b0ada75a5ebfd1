package sqltx_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
)

// ending is a handler that writes a row, ends its transaction itself, and does then what it is given.
func ending(end func(*sql.Tx) error, then func() error) processor.ProcessorFunc {
	return func(ctx context.Context, msg processor.Message) error {
		tx, err := sqltx.From(ctx)
		return errors.Join(err, write(nil)(ctx, msg), end(tx), then())
	}
}

// The mark is committed with what the handler wrote. If it counted, the copy would be skipped, acked and lost.
func TestTheRetryOfAHandlerThatCommittedAndThenFailedIsNotSkipped(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func() error{
		"error":                 func() error { return errMail },
		"reject":                func() error { return processor.Reject(errMail) },
		"panic":                 func() error { panic(errMail) },
		"error of the next row": func() error { return sql.ErrTxDone },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			db := &fakeDB{}
			calls := 0
			handler := ending((*sql.Tx).Commit, func() error { calls++; return then() })
			p, err := stack.New(
				ack.New(),
				retry.New(&processortest.Publisher{}, "r_%attempt%", retry.ParkKey("parked")),
				recovery.New(),
				sqltx.New(db.open(t), sqltx.Inbox("mark"), sqltx.Logger(slog.New(slog.NewTextHandler(&out, nil)))),
			).Then(handler)
			require.NoError(t, err)
			for n := range 3 {
				require.NoError(t, p.Process(t.Context(), from("mail", "a")))
				require.Equal(t, n+1, calls)
			}
			require.Equal(t, []string{"letter", "mark|mail|a", unmarked("a")}, db.kept())
			require.Equal(t, 3, strings.Count(out.String(), "level=ERROR"))
		})
	}
}

// A deferred Rollback in a handler is common.
func TestAHandlerThatRollsBackAndFailsLeavesNoRows(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	result := errMail
	p := build(t, db, ending((*sql.Tx).Rollback, func() error { return result }), sqltx.Inbox("mark"))
	require.Equal(t, errMail.Error(), p.Process(t.Context(), from("mail", "a")).Error())
	require.Empty(t, db.kept())
}

func TestAHandlerThatCommitsAndWhoseContextEndsIsNotSkipped(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	p := build(t, db, ending((*sql.Tx).Commit, func() error { calls++; cancel(); return errMail }), sqltx.Inbox("mark"))
	require.ErrorIs(t, p.Process(ctx, from("mail", "a")), errMail)
	require.ErrorIs(t, p.Process(t.Context(), from("mail", "a")), errMail)
	require.Equal(t, 2, calls)
}

// It is misuse, and was committed: the copy is skipped, and nothing is lost.
func TestAHandlerThatCommitsAndSucceedsIsAnErrorAndItsRetryIsSkipped(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p := build(t, db, ending((*sql.Tx).Commit, func() error { return nil }), sqltx.Inbox("mark"))
	require.ErrorIs(t, p.Process(t.Context(), from("mail", "a")), sql.ErrTxDone)
	require.NoError(t, p.Process(t.Context(), from("mail", "a")))
	require.Equal(t, []string{"letter", "mark|mail|a"}, db.kept())
}

// It was rejected at once, and dropped where nothing parks, also when the handler had only rolled back.
func TestAMessageIsHeldUntilTheDatabaseSaysWhetherItIsMarked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(*sql.Tx) error
		kept []string
	}{
		"committed":   {(*sql.Tx).Commit, []string{"letter", "mark|mail|a", unmarked("a")}},
		"rolled back": {(*sql.Tx).Rollback, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				db := &fakeDB{}
				var again, held time.Time
				p := build(t, db, ending(tc.end, func() error {
					db.setFailBegin(errors.New("connection refused"))
					again = time.Now().Add(time.Minute)
					time.AfterFunc(time.Minute, func() { db.setFailBegin(nil) })
					return errMail
				}), sqltx.Inbox("mark"))
				err := p.Process(t.Context(), from("mail", "a"))
				held = time.Now()
				require.EqualError(t, err, errMail.Error())
				require.WithinDuration(t, again, held, 5*time.Second)
				require.False(t, held.Before(again))
				require.ElementsMatch(t, tc.kept, db.kept())
			})
		})
	}
}

func TestAMessageThatRunsOutOfTimeWhileTheDatabaseIsDownIsNotParked(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	db := &fakeDB{}
	ctx, cancel := context.WithCancel(t.Context())
	p := build(t, db, ending((*sql.Tx).Rollback, func() error { db.failBegin = down; cancel(); return errMail }), sqltx.Inbox("mark"))
	err := p.Process(ctx, from("mail", "a"))
	require.ErrorIs(t, err, errMail)
	require.ErrorIs(t, err, down)
	require.Equal(t, processor.Failed, processor.Decide(err).Action)
}
