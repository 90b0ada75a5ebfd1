package backoff_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
)

// post is a broker with one message in its queue mail, and a stack that takes it. It lives
// in a synctest bubble.
type post struct {
	*memory.Broker
	all      broker.Topology
	pipeline *stack.Pipeline
	sub      broker.Subscription
	start    time.Time
	at       []time.Duration // of each delivery, since the start
}

func newPost(t *testing.T, handler processor.ProcessorFunc, opts ...backoff.Option) *post {
	t.Helper()
	p := &post{Broker: memory.New(memory.OnDrop(func(d memory.Drop) { t.Errorf("lost: %+v", d) })), start: time.Now()}
	t.Cleanup(func() { require.NoError(t, p.Close(context.WithoutCancel(t.Context()))) })
	topology, err := backoff.Topology(broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: "mail_dead"}}, opts...)
	require.NoError(t, err)
	p.all = topology.Merge(broker.Topology{Queues: []broker.Queue{{Name: "mail_dead"}, {Name: "mail_parked"}}})
	require.NoError(t, p.Declare(t.Context(), p.all))
	p.restart(t, handler, backoff.New(p.Publisher(), "mail", opts...))
	require.NoError(t, p.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"},
		processor.Envelope{Body: []byte("hello"), Properties: processor.Properties{ID: "1"}}))
	return p
}

// restart ends the consumer, and starts one with another stack, inside ack.
func (p *post) restart(t *testing.T, handler processor.ProcessorFunc, layers ...processor.Middleware) {
	t.Helper()
	var err error
	if p.sub != nil {
		require.NoError(t, p.sub.Close(t.Context()))
	}
	p.pipeline, err = stack.New(ack.New()).With(layers...).
		ThenFunc(func(ctx context.Context, msg processor.Message) error {
			p.at = append(p.at, time.Since(p.start))
			return handler(ctx, msg)
		})
	require.NoError(t, err)
	p.sub, err = p.Source("mail").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
}

// deliver processes the next n deliveries, and returns the stack's last result.
func (p *post) deliver(t *testing.T, n int) error {
	t.Helper()
	var result error
	for range n {
		msg, err := p.sub.Receive(t.Context())
		require.NoError(t, err)
		result = p.pipeline.Process(t.Context(), msg)
	}
	return result
}

// ends checks the messages of each queue after a few days, when none can be redelivered. Queues
// without any are left out.
func (p *post) ends(t *testing.T, want map[string]int) {
	t.Helper()
	require.NoError(t, p.sub.Close(t.Context()))
	time.Sleep(72 * time.Hour)
	got := map[string]int{}
	for _, queue := range p.all.Queues {
		n, err := p.Ready(t.Context(), queue.Name)
		require.NoError(t, err)
		if n > 0 {
			got[queue.Name] = n
		}
	}
	require.Equal(t, want, got)
}

// Where a message may end.
var (
	processed = map[string]int{}
	inParked  = map[string]int{"mail_parked": 1}
	inDead    = map[string]int{"mail_dead": 1}
)

// gaps are the times between deliveries.
func (p *post) gaps() []time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(p.at); i++ {
		gaps = append(gaps, p.at[i]-p.at[i-1])
	}
	return gaps
}

// always is a handler that always returns the same.
func always(result error) processor.ProcessorFunc {
	return func(context.Context, processor.Message) error { return result }
}

// inTurn is a handler that returns one result after the other, and then nil.
func inTurn(results ...error) processor.ProcessorFunc {
	return func(context.Context, processor.Message) error {
		if len(results) == 0 {
			return nil
		}
		next := results[0]
		results = results[1:]
		return next
	}
}

func newMessage(opts ...processortest.Option) *processortest.Message {
	return message(opts...)
}
