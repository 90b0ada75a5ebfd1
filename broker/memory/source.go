package memory

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
)

// Source returns a source of the messages of queue, which need not exist until it is
// subscribed to. A source can be subscribed to many times; the subscriptions share
// its messages.
func (b *Broker) Source(queue string) broker.Source {
	return source{broker: b, queue: queue}
}

type source struct {
	broker *Broker
	queue  string
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
	b := src.broker
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return nil, errClosed()
	}
	q := b.queues[src.queue]
	if q == nil {
		return nil, noQueue(src.queue)
	}
	if err := q.admit(o.Consumer); err != nil {
		return nil, err
	}
	s := &subscription{
		queue: q, prefetch: o.Prefetch, consumer: o.Consumer, ordered: o.Ordered, channel: broker.NewChannel(o),
		unsettled: map[uint64]*entry{},
	}
	s.channel.HoldsFailed = q.delaysRetries()
	b.subscriptions[s] = struct{}{}
	q.join(s)
	return s, nil
}

func check(o broker.SubscribeOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	asked := o.Consumer
	asked.Priority, asked.Exclusive = 0, false
	return asked.Unsupported()
}
