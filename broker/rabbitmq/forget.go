package rabbitmq

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/declare"
)

// Forget ends what [Broker.Declare] has begun: what t lists, by name, is not declared again, nor are
// the bindings of its queues and exchanges. The broker keeps what exists. A subscription to a
// queue that was forgotten ends with [broker.ErrNoQueue] once the queue is gone.
//
// A queue with AutoDelete need not be forgotten: it is when its last subscription is closed.
func (b *Broker) Forget(t broker.Topology) {
	b.mu.Lock()
	b.topology = declare.Forget(b.topology, t)
	b.mu.Unlock()
	b.onConsuming.Forget(t.Queues)
	b.onPublishing.Forget(t.Queues)
}

// subscribed counts subscriptions to a queue.
func (b *Broker) subscribed(queue string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subscriptions == nil {
		b.subscriptions = map[string]int{}
	}
	b.subscriptions[queue] += n
}

// unsubscribed forgets a queue that the broker removes with its last subscription.
func (b *Broker) unsubscribed(queue string) {
	b.mu.Lock()
	b.subscriptions[queue]--
	last := b.subscriptions[queue] == 0
	if last {
		delete(b.subscriptions, queue)
	}
	own := declare.OfSubscription(b.topology, queue)
	b.mu.Unlock()
	if last && len(own.Queues) > 0 {
		b.Forget(broker.Topology{Queues: own.Queues})
	}
}
