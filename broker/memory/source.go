package memory

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
)

// Source returns a source of the messages of queue, which need not exist until it is
// subscribed to. A source can be subscribed to many times; the subscriptions share
// its messages.
func (b *Broker) Source(queue string) broker.Source { return source{state: b.state, queue: queue} }

type source struct {
	state *state
	queue string
}

var _ broker.Source = source{}

// Subscribe starts a subscription. Of [broker.ConsumerOptions], Offset and Arguments are
// [broker.ErrUnsupported].
func (src source) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := check(o); err != nil {
		return nil, fmt.Errorf("memory: queue %q: %w", src.queue, err)
	}
	src.state.Lock()
	defer src.state.Unlock()
	q, err := src.state.find(src.queue)
	if err != nil {
		return nil, err
	}
	if err := q.Admit(o.Consumer); err != nil {
		return nil, err
	}
	return newSubscription(src.state, q, o), nil
}

func check(o broker.SubscribeOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	asked := o.Consumer
	asked.Priority, asked.Exclusive = 0, false
	return asked.Unsupported()
}
