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

func (src source) Subscribe(ctx context.Context, prefetch int) (broker.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if prefetch < 1 {
		return nil, fmt.Errorf("memory: queue %q: prefetch is %d; it must be at least 1", src.queue, prefetch)
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
	s := &subscription{queue: q, prefetch: prefetch, unsettled: map[uint64]*entry{}}
	s.life, s.perish = context.WithCancelCause(context.WithoutCancel(ctx))
	b.subscriptions[s] = struct{}{}
	q.join(s)
	return s, nil
}
