package sqlitetest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
)

// newOffice is a broker with a work queue, one for a retry, and one for parked messages.
func newOffice(t *testing.T) *memory.Broker {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: "mail"},
		{Name: "mail_retry_1", MessageTTL: 5 * time.Millisecond, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
		{Name: "mail_parked"},
	}}))
	return b
}

func publish(t *testing.T, b *memory.Broker, id string) {
	t.Helper()
	e := processor.Envelope{Properties: processor.Properties{ID: id}}
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, e))
}

// watch is an outermost layer that sees the stack's error, and may change it.
func watch(f func(error) error) processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			return f(next.Process(ctx, msg))
		})
	}
}

// Every message comes twice, and every third fails the first time, by an error or a panic, after it
// has written its letter.
func TestEachMessageIsProcessedOnceByManyWorkers(t *testing.T) {
	t.Parallel()
	const messages = 90
	db, _ := newDB(t)
	b := newOffice(t)
	for range 2 {
		for i := range messages {
			publish(t, b, fmt.Sprintf("letter %d", i))
		}
	}
	var failed sync.Map
	handler := func(ctx context.Context, msg processor.Message) error {
		if err := write(ctx, msg); err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscanf(msg.Properties().ID, "letter %d", &n); err != nil || n%3 != 0 {
			return err
		}
		if _, again := failed.LoadOrStore(n, true); again {
			return nil
		}
		if n%2 == 0 {
			panic(errMail)
		}
		return errMail
	}
	var acked atomic.Int64
	p, err := stack.New(
		watch(func(err error) error {
			if err == nil && acked.Add(1) == 2*messages+messages/3 {
				return processor.ErrStop
			}
			return err
		}),
		ack.New(),
		retry.New(b.Publisher(), "mail_retry_%attempt%", retry.Retries(1), retry.ParkKey("mail_parked")),
		sqltx.New(db, sqltx.Inbox(sqltx.SQLiteInbox)),
		recovery.New(),
	).ThenFunc(handler)
	require.NoError(t, err)
	require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(6))).Run(t.Context()))

	require.Equal(t, messages, count(t, db, "letters"))
	require.Equal(t, messages, count(t, db, "(SELECT DISTINCT id FROM letters)"))
	require.Equal(t, messages, count(t, db, "warren_inbox"))
	for _, queue := range []string{"mail", "mail_retry_1", "mail_parked"} {
		ready, err := b.Ready(t.Context(), queue)
		require.NoError(t, err)
		require.Zero(t, ready, queue)
	}
}

// Another process holds SQLite's one lock. No message is retried or parked for it.
func TestMessagesWaitInTheirQueueWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	db, path := newDB(t)
	impatient, err := connect(path, "1")
	require.NoError(t, err)
	defer func() { require.NoError(t, impatient.Close()) }()
	b := newOffice(t)

	outcomes := make(chan processor.Action, 100)
	p, err := stack.New(
		watch(func(err error) error { outcomes <- processor.Decide(err).Action; return err }),
		ack.New(),
		retry.New(b.Publisher(), "", retry.Retries(0), retry.ParkKey("mail_parked")),
		sqltx.New(impatient, sqltx.Inbox(sqltx.SQLiteInbox)),
	).ThenFunc(write)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- must.Have(consumer.New(b.Source("mail"), p)).Run(ctx) }()

	publish(t, b, "before")
	require.Equal(t, processor.Done, <-outcomes)
	lock, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	publish(t, b, "meanwhile")
	require.Equal(t, processor.Released, <-outcomes)
	require.NoError(t, lock.Rollback())
	for a := range outcomes {
		if a == processor.Done {
			break
		}
		require.Equal(t, processor.Released, a)
	}
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, 2, count(t, db, "letters"))
	ready, err := b.Ready(t.Context(), "mail_parked")
	require.NoError(t, err)
	require.Zero(t, ready)
}
