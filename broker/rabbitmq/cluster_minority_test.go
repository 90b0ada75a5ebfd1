package rabbitmq_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A node that does not pause serves its clients alone, except for quorum queues.
func TestANodeWithoutAMajority(t *testing.T) {
	t.Parallel()
	w := newSite(t, rabbitmqtest.Config("cluster_partition_handling = ignore"))
	s, leaving := w.start(t, 0, 0, 0), w.start(t, 0, 0, 0)
	flood, other := w.queues(t, 0), name(t)
	_, err := raw(t, w.urls[0]).QueueDeclare(other, true, false, false, false, nil)
	require.NoError(t, err)
	sub := subscribe(t, s.broker, other, 10)

	s.harm(t, w, kill, 1, 2)
	leaving.harmed = s.harmed
	s.requireNoneTaken(t, flood)
	leaving.requireLeaves(t)

	// It answers within the broker's own 15 s, and stops nothing for long.
	start := time.Now()
	err = s.broker.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: name(t), Type: broker.Quorum}}})
	t.Logf("declare: %v: %v", time.Since(start).Round(time.Millisecond), err)
	require.Error(t, err)
	// The stream's own connection is full of messages that cannot be stored.
	b, _ := w.open(t, 0, 0)
	require.NoError(t, b.Publisher().Publish(within(t), to(other), text("1")))
	require.NoError(t, receive(t, sub).Ack())

	s.books.Mark()
	restart(t, w, w.nodes[1])
	s.flows(t)
	restart(t, w, w.nodes[2])
	require.NoError(t, s.broker.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: name(t), Type: broker.Quorum}}}))
	require.NoError(t, sub.Close(within(t)))
	s.finish(t)
	t.Log("since the first is started again:", s)
	leaving.goOn(t, w)
}

// requireLeaves requires that a program can end on time while nothing is answered.
func (s *stream) requireLeaves(tb testing.TB) {
	tb.Helper()
	start := time.Now()
	close(s.enough)
	s.leave()
	for range cap(s.ended) {
		require.NoError(tb, <-s.ended)
	}
	require.Less(tb, time.Since(start), drain+5*time.Second)
	start = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(tb, s.broker.Close(ctx))
	s.publishing.Wait()
	require.Less(tb, time.Since(start), closing)
	b := s.books.Books()
	require.Equal(tb, senders, b.Failed, "those that waited: %v", b)
}

// goOn lets another program process what the one that left did not, and requires that nothing is
// missing.
func (s *stream) goOn(tb testing.TB, w *site) {
	tb.Helper()
	s.broker, _ = w.open(tb, 0, 0)
	s.consumeAll(tb)
	s.drained(tb)
	s.leave()
	for range cap(s.ended) {
		require.NoError(tb, <-s.ended)
	}
	tb.Log("left and went on:", s)
}

// requireNoneTaken floods a queue with more messages than may be in flight, and requires that none
// is a success, and that each that may have been stored says so.
func (s *stream) requireNoneTaken(tb testing.TB, queue string) {
	tb.Helper()
	const many = 1500
	var taken, unknown, unsent atomic.Int64
	start := time.Now()
	var flood sync.WaitGroup
	for range many {
		flood.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			err := s.broker.Publisher().Publish(ctx, to(queue), text("flood"))
			switch {
			case err == nil:
				taken.Add(1)
			case errors.Is(err, processor.ErrIndeterminate):
				unknown.Add(1)
			case errors.Is(err, context.DeadlineExceeded):
				unsent.Add(1)
			default:
				tb.Error(err)
			}
		})
	}
	flood.Wait()
	require.Less(tb, time.Since(start), 10*time.Second)
	require.Zero(tb, taken.Load())
	require.LessOrEqual(tb, unknown.Load(), int64(1024))
	require.NotZero(tb, unsent.Load())
	require.Equal(tb, senders, s.books.Books().InFlight)
	tb.Logf("%d of unknown outcome, %d not sent", unknown.Load(), unsent.Load())
}
