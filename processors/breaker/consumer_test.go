package breaker_test

import (
	"context"
	"strconv"
	"sync"
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
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// mailServer is a downstream: it is down at the times of outage.
type mailServer struct {
	start  time.Time
	outage func(time.Duration) bool

	mu        sync.Mutex
	delivered map[string]int
	failures  int
}

func (m *mailServer) send(_ context.Context, msg processor.Message) error {
	time.Sleep(20 * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.outage(time.Since(m.start)) {
		m.failures++
		return errMail
	}
	m.delivered[msg.Properties().ID]++
	return nil
}

// outage runs a worker on the embedded broker while 20 messages arrive each second for two minutes,
// and 10 minutes more. Every message must have been delivered once, none parked.
func outage(t *testing.T, down func(time.Duration) bool, during func(b *memory.Broker), opts ...breaker.Option) *mailServer {
	t.Helper()
	const messages = 2400
	b := memory.New()
	defer func() { require.NoError(t, b.Close(t.Context())) }()
	back := &broker.DeadLetter{RoutingKey: "mail"}
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: "mail"}, {Name: "parked"},
		{Name: "retry_1", MessageTTL: 10 * time.Second, DeadLetter: back},
		{Name: "retry_2", MessageTTL: 20 * time.Second, DeadLetter: back},
		{Name: "retry_3", MessageTTL: 40 * time.Second, DeadLetter: back},
	}}))
	m := &mailServer{start: time.Now(), outage: down, delivered: map[string]int{}}
	p, err := stack.New(ack.New(), retry.New(b.Publisher(), "retry_%attempt%", retry.ParkKey("parked")),
		breaker.New("mail server", opts...), recovery.New()).ThenFunc(m.send)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range messages {
			if b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"},
				processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}}) != nil {
				t.Error("not published")
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(8)))
	ended := make(chan error, 1)
	wg.Go(func() { ended <- c.Run(ctx) })
	during(b)
	wg.Wait()
	require.NoError(t, <-ended)

	require.Len(t, m.delivered, messages)
	for id, n := range m.delivered {
		require.Equal(t, 1, n, id)
	}
	for _, q := range []string{"mail", "parked", "retry_1", "retry_2", "retry_3"} {
		require.Zero(t, ready(t, b, q), q)
	}
	t.Logf("%d failures; %+v", m.failures, c.Stats())
	return m
}

func ready(t *testing.T, b *memory.Broker, queue string) int {
	t.Helper()
	n, err := b.Ready(context.WithoutCancel(t.Context()), queue)
	require.NoError(t, err)
	return n
}

func TestMessagesStayInTheirQueueWhileTheDownstreamIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := func(at time.Duration) bool { return at > 10*time.Second && at < 130*time.Second }
		m := outage(t, down, func(b *memory.Broker) {
			time.Sleep(100 * time.Second)
			require.InDelta(t, 90*20, ready(t, b, "mail"), 50)
			time.Sleep(30*time.Second + breaker.DefaultOpenFor + 5*time.Second)
			require.Zero(t, ready(t, b, "mail"), "it went on by itself")
		})
		require.LessOrEqual(t, m.failures, 8+4, "those in hand, and one probe each 30 s")
	})
}

func TestNothingIsLostWhileTheDownstreamFlaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := func(at time.Duration) bool { return at < 2*time.Minute && at/(700*time.Millisecond)%3 == 1 }
		outage(t, down, func(*memory.Broker) {}, breaker.Failures(3), breaker.OpenFor(time.Second))
	})
}
