package databasetest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/publisher/outbox"
)

// answering is a stack whose handler writes a letter and returns two results.
func answering(t *testing.T, d *database, relay *outbox.Relay, fails func() error) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(
		ack.New(),
		sqltx.New(d.DB, sqltx.Inbox(d.inbox)),
		respond.New(must.Have(outbox.New(d.dialect, outbox.Wakes(relay)))),
	).Then(respond.Handler(func(ctx context.Context, msg processor.Message) ([]respond.Result, error) {
		tx, err := sqltx.From(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO letters (id) VALUES ("+d.arg(1)+")", msg.Properties().ID); err != nil {
			return nil, err
		}
		return []respond.Result{
			{To: letters, Envelope: processor.Envelope{Body: []byte("one")}},
			{To: processor.Destination{RoutingKey: "other"}, Envelope: processor.Envelope{Body: []byte("two")}},
		}, fails()
	}))
	require.NoError(t, err)
	return p
}

// The results of a message were sent, and its transaction failed.
func TestResultsInboxMarkAndRowsCommitAsOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		// It polls once an hour: sqltx wakes it after the commit.
		r, _ := d.relay(t, s, outbox.Poll(time.Hour))
		var failure error
		p := answering(t, d, r, func() error { return failure })
		for _, f := range []error{errOther, processor.Reject(errOther), processor.Drop(errOther)} {
			failure = f
			_ = p.Process(t.Context(), processortest.NewMessage())
			for _, table := range []string{"letters", "warren_inbox", "warren_outbox"} {
				require.Zero(t, d.count(t, table), "%s after %v", table, f)
			}
		}
		failure = nil
		for range 3 {
			require.NoError(t, p.Process(t.Context(), processortest.NewMessage()), "again")
		}
		require.ElementsMatch(t, []string{"one", "two"}, s.take(t, 2))
		isEmpty(t, r)
		require.Equal(t, 1, d.count(t, "letters"))
		require.Equal(t, 1, d.count(t, "warren_inbox"))
		require.Len(t, s.Published(), 2)
	})
}

// An outbox downstream of another: both processes die, and each message has its effect once.
func TestADuplicateOfTheRelayIsSkippedByTheInboxOfTheNext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		lost := true
		s.answer = func(processor.Destination, processor.Envelope) error { return nil }
		// The answer of the first try is lost, although the broker has the message.
		next := processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
			err := s.Publish(ctx, to, e)
			if lost {
				lost, err = false, processor.ErrIndeterminate
			}
			return err
		})
		d.write(t, must.Have(outbox.New(d.dialect)), letters, "1")
		r, _ := d.relay(t, next, outbox.Poll(50*time.Millisecond))
		s.take(t, 2)
		isEmpty(t, r)
		p, err := stack.New(ack.New(), sqltx.New(d.DB, sqltx.Inbox(d.inbox))).ThenFunc(func(ctx context.Context, _ processor.Message) error {
			tx, err := sqltx.From(ctx)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "INSERT INTO letters (id) VALUES ('1')")
			return err
		})
		require.NoError(t, err)
		for _, sent := range s.Published() {
			msg := processortest.NewMessage(processortest.Properties(sent.Envelope.Properties), processortest.Origin(processor.Origin{Queue: "q"}))
			require.NoError(t, p.Process(t.Context(), msg))
		}
		require.Equal(t, 1, d.count(t, "letters"), fmt.Sprint(s.Published()))
	})
}
