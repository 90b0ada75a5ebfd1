package sqltx_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
)

// flaky is a database that can be down.
type flaky struct {
	*fakeDB
	down atomic.Bool
}

func (f *flaky) Connect(ctx context.Context) (driver.Conn, error) {
	if f.down.Load() {
		return nil, errors.New("connection refused")
	}
	return f.fakeDB.Connect(ctx)
}

// Messages that could not begin were requeued again and again: a quorum queue with a delivery limit
// dropped them all within half a minute.
func TestTheRunIsPausedWhileTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			b := memory.New()
			defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
			require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
				{Name: "mail", Arguments: processor.Headers{"x-queue-type": "quorum", "x-delivery-limit": 20}}, {Name: "parked"},
			}}))
			send := func(ids ...int) {
				for _, id := range ids {
					require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"},
						processor.Envelope{Properties: processor.Properties{ID: fmt.Sprint(id)}}))
				}
			}
			ready := func() int {
				n, err := b.Ready(t.Context(), "mail")
				require.NoError(t, err)
				return n
			}
			f := &flaky{fakeDB: &fakeDB{}}
			db := sql.OpenDB(f)
			db.SetMaxIdleConns(-1)
			defer func() { require.NoError(t, db.Close()) }()
			quiet := slog.New(slog.DiscardHandler)
			p, err := stack.New(
				ack.New(),
				retry.New(b.Publisher(), "parked", retry.Retries(0), retry.ParkKey("parked")),
				sqltx.New(db, sqltx.Inbox("mark"), sqltx.Logger(quiet)),
			).ThenFunc(func(context.Context, processor.Message) error { return nil })
			require.NoError(t, err)
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(workers), consumer.Logger(quiet)))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- c.Run(ctx) }()

			send(1)
			synctest.Wait()
			require.Equal(t, uint64(1), c.Stats().Done)
			f.down.Store(true)
			send(2, 3, 4, 5)
			time.Sleep(10 * time.Minute)
			require.Equal(t, 4, ready(), "they wait in their queue")
			require.LessOrEqual(t, c.Stats().Released, uint64(12), "and nobody tries them any more")
			f.down.Store(false)
			time.Sleep(time.Minute)
			require.Zero(t, ready())
			require.Equal(t, uint64(5), c.Stats().Done)

			f.down.Store(true)
			send(6)
			synctest.Wait()
			cancel()
			require.NoError(t, <-done, "a run ends while it is paused")
			require.Equal(t, 1, ready())
		})
	}
}
