package rabbitmq

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
)

// source is one queue.
type source struct {
	broker *Broker
	queue  string
}

var _ broker.Source = (*source)(nil)

// Subscribe starts consuming. A queue that does not exist is [broker.ErrNoQueue]; while
// no node can be reached, Subscribe tries until ctx ends.
func (s *source) Subscribe(ctx context.Context, prefetch int) (broker.Subscription, error) {
	if prefetch < 1 || prefetch > maxPrefetch {
		return nil, fmt.Errorf("rabbitmq: prefetch %d: it must be from 1 to %d", prefetch, maxPrefetch)
	}
	sub := newSubscription(s.broker, s.queue, prefetch)
	if err := sub.start(ctx); err != nil {
		return nil, fmt.Errorf("rabbitmq: consume queue %q: %w", s.queue, s.broker.overOr(closedOr(err)))
	}
	return sub, nil
}

// maxPrefetch is the protocol's.
const maxPrefetch = 65535
