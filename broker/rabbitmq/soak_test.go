package rabbitmq_test

import (
	"context"
	"flag"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/ledger"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

var soakEnds = flag.Int("soak", 30, "how often TestSoak ends a consumer")

// TestSoak ends a consumer in every way there is, again and again, while a stream goes through a
// quorum queue without a dead-letter exchange, so that what dies of the delivery limit is lost.
// On RabbitMQ 4.3 that is the default, 20; see [givenBack] for the others. No message is lost:
// what ends in good order gives back uncounted, and a connection that is cut counts for the
// few messages in hand.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := newSoak(t)
	for i := range *soakEnds {
		s.end(t, i)
	}
	s.finish(t)
}

type soak struct {
	node  *rabbitmqtest.Node
	queue string
	books *ledger.Ledger

	broker    *rabbitmq.Broker // that publishes
	publisher sync.WaitGroup
	enough    chan struct{}
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	node := rabbitmqtest.Start(t)
	s := &soak{node: node, books: ledger.New(), broker: open(t, node.URL()), enough: make(chan struct{})}
	s.queue = givenBack(t, s.broker)
	node.Sync(t)
	s.publisher.Go(func() { s.publish(t) })
	return s
}

// publish publishes numbers until it is enough.
func (s *soak) publish(t *testing.T) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.enough:
			return
		case <-tick.C:
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
	}, ack.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		n, err := strconv.Atoi(string(msg.Body()))
		s.books.Process(n)
		return err
	})
	require.NoError(t, err)
	result := make(chan error, 1)
	go func() {
		result <- consumer.New(b.Source(s.queue), p, consumer.Workers(4), consumer.Prefetch(50),
			consumer.DrainTimeout(time.Duration(rand.IntN(2))*time.Second), consumer.Logger(slog.New(slog.DiscardHandler))).Run(ctx)
	}()
	run := <-h.runs
	return run.Pause, result
}

// end lets a consumer run for a moment and ends it.
func (s *soak) end(t *testing.T, i int) {
	t.Helper()
	b := open(t, s.node.URL())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pause, ended := s.consume(ctx, t, b)
	moment(t)
	switch i % 10 {
	case 0: // the node is killed, which is rare
		if i > 0 && i%100 == 0 {
			s.node.Kill(t)
			s.node.Restart(t)
		} else {
			s.node.CloseConnections(t, "soak")
		}
	case 1, 2, 3: // pauses
		resume := pause()
		moment(t)
		resume()
	case 4, 5: // the broker is closed under its consumer
		require.NoError(t, b.Close(within(t)))
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

// finish processes what is left and closes the books.
func (s *soak) finish(t *testing.T) {
	t.Helper()
	close(s.enough)
	s.publisher.Wait()
	b := open(t, s.node.URL())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, ended := s.consume(ctx, t, b)
	require.Eventually(t, func() bool { return s.books.Books().Missing == 0 }, patience, 50*time.Millisecond)
	cancel()
	<-ended
	t.Logf("%d ends: %v", *soakEnds, s.books.Books())
}
