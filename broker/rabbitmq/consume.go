package rabbitmq

import (
	"cmp"
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
)

// source is one queue.
type source struct {
	broker *Broker
	queue  string
}

var _ broker.Source = (*source)(nil)

// Subscribe starts consuming. A queue that does not exist is [broker.ErrNoQueue]; while
// no node can be reached, Subscribe tries until ctx ends.
func (s *source) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	err := cmp.Or(checkQueue(s.queue), o.Check())
	if err == nil && o.Prefetch > maxPrefetch {
		err = fmt.Errorf("prefetch is %d: it must be at most %d", o.Prefetch, maxPrefetch)
	}
	if err == nil {
		err = checkOffset(s.broker.declared(), s.queue, o.Consumer.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: consume queue %q: %w", s.queue, err)
	}
	sub := newSubscription(s.broker, s.queue, o)
	s.broker.subscribed(s.queue, 1) // before it starts: the last other one may end meanwhile
	if err := sub.start(ctx); err != nil {
		s.broker.subscribed(s.queue, -1)
		return nil, fmt.Errorf("rabbitmq: consume queue %q: %w", s.queue, s.broker.life.OverOr(life.ClosedOr(err)))
	}
	return sub, nil
}

// checkQueue returns why no queue has that name.
func checkQueue(name string) error {
	problem := reply.Unaskable(name)
	if problem == "" {
		return nil
	}
	return fmt.Errorf("%w: its name %s", broker.ErrNoQueue, problem)
}

// maxPrefetch is the protocol's maximum.
const maxPrefetch = 65535
