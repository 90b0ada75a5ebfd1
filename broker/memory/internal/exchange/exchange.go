// Package exchange routes messages to queues.
package exchange

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/broker/memory/internal/settings"
	"github.com/gowarren/warren/broker/memory/internal/version"
)

// Exchange has the bindings of one exchange. The broker's lock guards it.
type Exchange struct {
	Settings settings.Exchange

	model    *version.Model
	bindings []binding
	router   router
	round    uint64 // of routing, so that a circle of alternates ends
}

type binding struct {
	broker.Binding
	queue *queue.Queue
}

// New returns an exchange without bindings. The error is about a kind that this broker does not support.
func New(x broker.Exchange, model *version.Model) (*Exchange, error) {
	made := &Exchange{Settings: settings.ReadExchange(x), model: model, router: newRouter(x.Kind, model)}
	if made.router == nil {
		return nil, fmt.Errorf("memory: exchange %q: %w: kind %q is not supported in memory", x.Name, broker.ErrTopology, x.Kind)
	}
	return made, nil
}

// Default returns the default exchange, to which every queue of the map is bound by its name.
func Default(queues map[string]*queue.Queue) *Exchange { return &Exchange{router: byName(queues)} }

// Bind is idempotent. Nothing can be bound to the default exchange.
func (x *Exchange) Bind(b broker.Binding, q *queue.Queue) {
	for _, twin := range x.bindings {
		if twin.queue == q && twin.RoutingKey == b.RoutingKey && reflect.DeepEqual(twin.Arguments, b.Arguments) {
			return
		}
	}
	x.bindings = append(x.bindings, binding{Binding: b, queue: q})
	x.router.bind(b, q)
}

// Unbind removes the bindings of a deleted queue.
func (x *Exchange) Unbind(q *queue.Queue) {
	bound := len(x.bindings)
	x.bindings = slices.DeleteFunc(x.bindings, func(b binding) bool { return b.queue == q })
	if len(x.bindings) == bound {
		return
	}
	x.router = newRouter(x.Settings.Kind, x.model)
	for _, b := range x.bindings {
		x.router.bind(b.Binding, b.queue)
	}
}

// Routes finds the queues of one message after another. The slice is reused for the next message.
type Routes struct{ found targets }

// Of returns the queues that m goes to from the named exchange, or from its alternate exchange if it
// has none, and so on. The result is valid until the next call.
func (r *Routes) Of(m *message.Message, name string, exchanges map[string]*Exchange) []*queue.Queue {
	t := &r.found
	t.begin()
	for x := exchanges[name]; x != nil && x.round != t.round; x = exchanges[x.Settings.Alternate] {
		x.round = t.round
		x.router.route(m, t)
		if len(t.queues) > 0 || x.Settings.Alternate == "" {
			break
		}
	}
	return t.queues
}
