package exchange

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/broker/memory/internal/version"
)

// router finds the queues that a message goes to.
type router interface {
	bind(b broker.Binding, q *queue.Queue)
	route(m *message.Message, to *targets)
}

// newRouter returns nil for a kind of exchange that this broker does not support.
func newRouter(kind broker.Kind, model *version.Model) router {
	switch kind {
	case broker.Direct:
		return direct{}
	case broker.Fanout:
		return &fanout{}
	case broker.Topic:
		return &topic{}
	case broker.HeadersKind:
		return &headers{mixed: !model.Containers}
	}
	return nil
}

// byName has every queue, as the default exchange does.
type byName map[string]*queue.Queue

func (r byName) bind(broker.Binding, *queue.Queue) {}

func (r byName) route(m *message.Message, to *targets) {
	for _, key := range m.Keys {
		if q := r[key]; q != nil {
			to.add(q)
		}
	}
}

// direct has the queues by routing key.
type direct map[string][]*queue.Queue

func (r direct) bind(b broker.Binding, q *queue.Queue) {
	r[b.RoutingKey] = append(r[b.RoutingKey], q)
}

func (r direct) route(m *message.Message, to *targets) {
	for _, key := range m.Keys {
		to.add(r[key]...)
	}
}

// fanout has every bound queue.
type fanout []*queue.Queue

func (r *fanout) bind(_ broker.Binding, q *queue.Queue) { *r = append(*r, q) }

func (r *fanout) route(_ *message.Message, to *targets) { to.add(*r...) }
