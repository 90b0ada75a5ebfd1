package rabbitmq_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/ledger"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

var soakEnds = flag.Int("soak", 30, "how often TestSoak ends a consumer")

// TestSoak ends a consumer in every possible way, again and again, while a stream goes through a
// quorum queue without a dead-letter exchange, so that a message over the delivery limit is lost.
// On RabbitMQ 4.3 that is the default, 20; see [givenBack] for the others. No message is lost: a
// regular end requeues uncounted, and a cut connection counts once for each message in flight.
// There always are some: the queue has a backlog, and a message is requeued more often than the
// limit before a handler is done with it.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	for i := range *soakEnds {
		s.end(t, i)
	}
	s.finish(t)
}

// backlog is how many messages the soak keeps in its queue, more than a prefetch, and slow is the
// longest that a handler takes.
const (
	backlog = 300
	slow    = 200 * time.Millisecond
)

type soak struct {
	node  *rabbitmqtest.Node
	queue string
	books *ledger.Ledger
	ends  map[string]int // by what ended a consumer

	redelivered, mostAcquired, mostFailed atomic.Int64 // as the handlers saw them

	broker    *rabbitmq.Broker // that publishes
	publisher sync.WaitGroup
	enough    chan struct{}
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	node := rabbitmqtest.Start(t)
	s := &soak{node: node, books: ledger.New(), ends: map[string]int{}, enough: make(chan struct{})}
	// It loses its connection more often than every StableAfter. With the default backoff it would
	// soon wait for most of the time, with no messages in flight to lose.
	s.broker = open(t, node.URL(), rabbitmq.Failover(failover.Backoff(50*time.Millisecond, rest)))
	s.queue = givenBack(t, s.broker)
	node.Sync(t)
	s.publisher.Go(func() { s.publish(t) })
	return s
}

// publish publishes numbers until it is enough, as long as the backlog is not there.
func (s *soak) publish(t *testing.T) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.enough:
			return
		case <-tick.C:
		}
		if b := s.books.Books(); b.Confirmed-b.Processed >= backlog {
			continue
		}
		n := s.books.Send()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		s.books.Answer(n, s.broker.Publisher().Publish(ctx, to(s.queue), text(strconv.Itoa(n))))
		cancel()
	}
}

// consume runs a consumer until ctx ends. Its run is there to be paused.
func (s *soak) consume(ctx context.Context, t *testing.T, b *rabbitmq.Broker) (paused func() (resume func()), ended <-chan error) {
	t.Helper()
	h := &helm{runs: make(chan stack.Run, 1)}
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		h.Processor = next
		return h
	}, ack.New()).ThenFunc(s.handle)
	require.NoError(t, err)
	result := make(chan error, 1)
	go func() {
		result <- must.Have(consumer.New(b.Source(s.queue), p, consumer.Workers(4), consumer.Prefetch(150),
			consumer.DrainTimeout(time.Duration(rand.IntN(2))*time.Second), consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	run := <-h.runs
	return run.Pause, result
}

// handle takes a while. If cut short, it has processed nothing.
func (s *soak) handle(ctx context.Context, msg processor.Message) error {
	if msg.Origin().Redelivered {
		s.redelivered.Add(1)
	}
	raise(&s.mostAcquired, msg, "x-acquired-count")
	raise(&s.mostFailed, msg, "x-delivery-count")
	n, err := strconv.Atoi(string(msg.Body()))
	if err != nil {
		return err
	}
	select {
	case <-time.After(rand.N(slow)):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.books.Process(n)
	return nil
}

// raise raises highest to a message's count.
func raise(highest *atomic.Int64, msg processor.Message, header string) {
	n, _ := msg.Headers().Int64(header)
	for {
		seen := highest.Load()
		if n <= seen || highest.CompareAndSwap(seen, n) {
			return
		}
	}
}

// end ends a consumer with messages in flight.
func (s *soak) end(t *testing.T, i int) {
	t.Helper()
	b := open(t, s.node.URL())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := s.books.Books().Processed
	pause, ended := s.consume(ctx, t, b)
	require.Eventually(t, func() bool { return s.books.Books().Processed > before }, patience, 5*time.Millisecond, "nothing new, %v", s)
	moment(t)
	switch i % 20 {
	case 0: // the node is killed, which is rare
		if i > 0 && i%100 == 0 {
			s.ends["node killed"]++
			s.node.Kill(t)
			s.node.Restart(t)
		} else {
			s.ends["connections closed"]++
			s.node.CloseConnections(t, "soak")
		}
	case 1, 2, 3, 11, 12, 13:
		s.ends["paused and stopped"]++
		resume := pause()
		moment(t)
		resume()
	case 4, 5, 14, 15: // under its consumer
		s.ends["broker closed"]++
		require.NoError(t, b.Close(within(t)))
	default:
		s.ends["stopped"]++
	}
	cancel()
	select {
	case <-ended:
	case <-within(t).Done():
		t.Fatal("the consumer does not end")
	}
	require.NoError(t, b.Close(within(t)))
}

// moment is long enough for some messages.
func moment(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(time.Duration(20+rand.IntN(60)) * time.Millisecond):
	case <-t.Context().Done():
	}
}

// finish processes the rest and checks the counts.
func (s *soak) finish(t *testing.T) {
	t.Helper()
	close(s.enough)
	s.publisher.Wait()
	b := open(t, s.node.URL())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, ended := s.consume(ctx, t, b)
	require.Eventually(t, func() bool { return s.books.Books().Missing == 0 }, patience, 50*time.Millisecond, "%v", s)
	cancel()
	<-ended
	t.Log(s)
}

func (s *soak) String() string {
	return fmt.Sprintf("ends %v: %v; redelivered to handlers %d, most acquired %d, most failed %d",
		s.ends, s.books.Books(), s.redelivered.Load(), s.mostAcquired.Load(), s.mostFailed.Load())
}
