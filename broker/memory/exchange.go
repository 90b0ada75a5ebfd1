package memory

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gowarren/warren/broker"
)

// exchange routes messages to the queues that are bound to it.
type exchange struct {
	name      string
	model     *model
	identity  exchangeIdentity
	bindings  []binding
	router    router
	lastRound uint64 // of routing, so that a circle of alternates ends
}

// exchangeIdentity has the settings that must be the same when an exchange is declared again.
type exchangeIdentity struct {
	kind                            broker.Kind
	alternate                       string
	transient, autoDelete, internal bool
}

func (id exchangeIdentity) String() string {
	parts := []string{"kind " + string(id.kind)}
	if id.alternate != "" {
		parts = append(parts, fmt.Sprintf("alternate exchange %q", id.alternate))
	}
	parts = append(parts, flags(id.transient, id.autoDelete, false, id.internal)...)
	return strings.Join(parts, ", ")
}

// flags names those that are set.
func flags(transient, autoDelete, exclusive, internal bool) []string {
	var names []string
	for _, flag := range []struct {
		set  bool
		name string
	}{{transient, "transient"}, {autoDelete, "auto-delete"}, {exclusive, "exclusive"}, {internal, "internal"}} {
		if flag.set {
			names = append(names, flag.name)
		}
	}
	return names
}

type binding struct {
	broker.Binding
	queue *queue
}

// router finds the queues that a message goes to.
type router interface {
	bind(b broker.Binding, q *queue)
	route(m *message, to *targets)
}

var (
	_ router = defaultRouter(nil)
	_ router = directRouter(nil)
	_ router = (*fanoutRouter)(nil)
	_ router = (*topicRouter)(nil)
	_ router = (*headersRouter)(nil)
)

// newRouter returns nil for a kind of exchange that this broker does not support.
func (m *model) newRouter(kind broker.Kind) router {
	switch kind {
	case broker.Direct:
		return directRouter{}
	case broker.Fanout:
		return &fanoutRouter{}
	case broker.Topic:
		return &topicRouter{}
	case broker.HeadersKind:
		return &headersRouter{mixed: !m.containers}
	}
	return nil
}

// bind is idempotent.
func (x *exchange) bind(b broker.Binding, q *queue) {
	for _, twin := range x.bindings {
		if twin.queue == q && twin.RoutingKey == b.RoutingKey && reflect.DeepEqual(twin.Arguments, b.Arguments) {
			return
		}
	}
	x.bindings = append(x.bindings, binding{Binding: b, queue: q})
	x.router.bind(b, q)
}

// unbind removes the bindings of a deleted queue.
func (x *exchange) unbind(q *queue) {
	bound := len(x.bindings)
	x.bindings = slices.DeleteFunc(x.bindings, func(b binding) bool { return b.queue == q })
	if len(x.bindings) == bound {
		return
	}
	x.router = x.model.newRouter(x.identity.kind)
	for _, b := range x.bindings {
		x.router.bind(b.Binding, b.queue)
	}
}

// defaultRouter is the default exchange: every queue is bound by its name.
type defaultRouter map[string]*queue

func (r defaultRouter) bind(broker.Binding, *queue) {} // nothing can be bound to it

func (r defaultRouter) route(m *message, to *targets) {
	for _, key := range m.keys {
		if q := r[key]; q != nil {
			to.add(q)
		}
	}
}

// directRouter has the queues by routing key.
type directRouter map[string][]*queue

func (r directRouter) bind(b broker.Binding, q *queue) {
	r[b.RoutingKey] = append(r[b.RoutingKey], q)
}

func (r directRouter) route(m *message, to *targets) {
	for _, key := range m.keys {
		to.add(r[key]...)
	}
}

// fanoutRouter has every bound queue.
type fanoutRouter []*queue

func (r *fanoutRouter) bind(_ broker.Binding, q *queue) { *r = append(*r, q) }

func (r *fanoutRouter) route(_ *message, to *targets) { to.add(*r...) }
