package rabbitmq_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/retry"
)

// surgeon is a consumer whose first message runs until its context ends.
type surgeon struct {
	*consumer.Consumer
	broker   *rabbitmq.Broker
	queue    string
	topology broker.Topology
	log      lockedLog
	result   func(err error) error // of the first handler, when its context has ended

	mu    sync.Mutex
	begun []processor.Message // deliveries of the first message
	why   error
	done  atomic.Int64 // other messages
}

// lockedLog is the log of the consumer and the layers.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (s *surgeon) operate(ctx context.Context, msg processor.Message) error {
	if msg.Properties().ID != "long" {
		s.done.Add(1)
		return nil
	}
	s.mu.Lock()
	s.begun = append(s.begun, msg)
	again := len(s.begun) > 1
	s.mu.Unlock()
	if again {
		return nil
	}
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	if processor.Lost(ctx) {
		s.why = context.Cause(ctx)
	}
	return s.result(ctx.Err())
}

func (s *surgeon) operations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.begun)
}

// newSurgeon has a work queue with the long message, in flight, and nine others. Failed messages
// would be published to one of the topology's queues.
func newSurgeon(t *testing.T, url string, withBackoff bool, opts ...rabbitmq.Option) *surgeon {
	t.Helper()
	s := &surgeon{broker: open(t, url, opts...), queue: name(t), result: func(err error) error { return err }}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	parked := processor.Destination{RoutingKey: s.queue + ".parked"}
	layer, err := s.retries(log)
	if withBackoff {
		steps := []backoff.Option{backoff.Policy(backoff.If(func(error) bool { return true }), backoff.Schedule(backoff.Fixed(time.Hour))), backoff.Park(parked), backoff.Logger(log)}
		s.topology, err = backoff.Topology(broker.Queue{Name: s.queue, Type: broker.Quorum}, steps...)
		layer = backoff.New(s.broker.Publisher(), s.queue, steps...)
	}
	require.NoError(t, err)
	require.NoError(t, s.broker.Declare(within(t), s.topology))
	for _, id := range []string{"long", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		require.NoError(t, s.broker.Publisher().Publish(within(t), to(s.queue), text(id)))
	}
	p, err := stack.New(ack.New(), layer).ThenFunc(s.operate)
	require.NoError(t, err)
	s.Consumer = must.Have(consumer.New(s.broker.Source(s.queue), p, consumer.Workers(2), consumer.Logger(log)))
	s.run(t)
	require.Eventually(t, func() bool { return s.done.Load() >= 9 }, patience, time.Millisecond)
	return s
}

func (s *surgeon) retries(log *slog.Logger) (processor.Middleware, error) {
	options := []retry.Option{retry.Delays(time.Hour), retry.ParkKey(s.queue + ".parked"), retry.Logger(log)}
	pattern := s.queue + ".retry.%delay%"
	var err error
	s.topology, err = retry.Topology(broker.Queue{Name: s.queue, Type: broker.Quorum}, pattern, options...)
	return retry.New(s.broker.Publisher(), pattern, options...), err
}

func (s *surgeon) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-result)
	})
}

// requireUnharmed checks that the long message was redelivered and nothing else has happened to it.
func (s *surgeon) requireUnharmed(t *testing.T, url, why string) {
	t.Helper()
	require.Eventually(t, func() bool { return s.operations() == 2 }, patience, time.Millisecond)
	require.Eventually(t, func() bool { return s.Stats().InFlight == 0 }, patience, time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	require.ErrorIs(t, s.why, processor.ErrStale)
	require.ErrorContains(t, s.why, why)
	require.ErrorIs(t, s.begun[0].Ack(), processor.ErrSettled, "its place may be another message's now")
	headers := s.begun[1].Headers().Clone()
	delete(headers, "x-delivery-count") // the broker's own
	delete(headers, "x-acquired-count")
	require.Empty(t, headers, "it is the first attempt still")
	observer := raw(t, url)
	for _, q := range s.topology.Queues {
		seen, err := observer.QueueDeclarePassive(q.Name, true, false, false, false, nil)
		require.NoError(t, err)
		require.Zero(t, seen.Messages, "nothing is retried or parked: %s", q.Name)
	}
	require.Zero(t, s.Stats().Failed+s.Stats().Requeued+s.Stats().Rejected)
	require.NotContains(t, s.log.String(), "level=WARN")
	require.NotContains(t, s.log.String(), "level=ERROR")
}

func TestAHandlerHearsThatItsChannelIsLost(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for _, fault := range []struct {
		name, why string
		harm      func(t *testing.T, s *surgeon, l *link)
	}{
		{"connection closed", "by the test", func(t *testing.T, _ *surgeon, _ *link) { t.Helper(); node.CloseConnections(t, "by the test") }},
		{"consumer cancelled", "cancelled", func(_ *testing.T, _ *surgeon, l *link) { l.consuming((*pair).cancel) }},
		{"consumer timeout", overTime(t), nil}, // set on the node for all later rows: the last row
	} {
		if fault.harm == nil {
			node.SetConsumerTimeout(t, 500*time.Millisecond)
			fault.harm = func(*testing.T, *surgeon, *link) {}
		}
		for _, row := range []struct {
			name    string
			backoff bool
			result  func(error) error
		}{
			{"failing, retry", false, func(err error) error { return err }},
			{"failing, backoff", true, func(err error) error { return err }},
			{"rejecting, retry", false, processor.Reject},
			{"succeeding, retry", false, func(error) error { return nil }},
		} {
			if fault.name == "consumer cancelled" && row.name == "succeeding, retry" {
				continue // the ack may be in time: no redelivery
			}
			t.Run(fault.name+", "+row.name, func(t *testing.T) {
				l := newLink(t, node.URL())
				s := newSurgeon(t, node.URL(), row.backoff, l.option())
				s.mu.Lock()
				s.result = row.result
				s.mu.Unlock()
				fault.harm(t, s, l)
				s.requireUnharmed(t, node.URL(), fault.why)
			})
		}
	}
}

// overTime is the consumer's error for the consumer timeout.
func overTime(t *testing.T) string {
	t.Helper()
	if rabbitmqtest.Version(t).AtLeast(4, 3) {
		return "cancelled the consumer" // the channel stays
	}
	return "timed out"
}

// Its messages are gone with it. A declared queue comes back, and so do its bindings.
func TestAHandlerHearsThatItsQueueIsDeleted(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	s := newSurgeon(t, url, false)
	_, err := raw(t, url).QueueDelete(s.queue, false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.Stats().Released == 1 }, patience, time.Millisecond)
	require.ErrorContains(t, s.why, "deleted")
	require.Eventually(t, func() bool {
		return s.broker.Publisher().Publish(within(t), to(s.queue), text("long")) == nil
	}, patience, 10*time.Millisecond)
	s.requireUnharmed(t, url, "deleted")
}
