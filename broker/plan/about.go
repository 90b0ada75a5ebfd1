package plan

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/internal/quote"
)

func (p Plan) aboutExchange(x broker.Exchange) string {
	w := &words{arguments: x.AllArguments()}
	w.exchange(x)
	if alternate, ok := w.arguments["alternate-exchange"].(string); ok {
		delete(w.arguments, "alternate-exchange")
		w.sayf("unroutable to %s", p.exchangeInText(alternate))
	}
	w.rest()
	return w.String()
}

func (w *words) exchange(x broker.Exchange) {
	w.sayIf(x.Transient, "transient")
	w.sayIf(x.AutoDelete, "auto-delete")
	w.sayIf(x.Internal, "internal")
}

// queueType is "default type" where q leaves the type to the broker.
func queueType(q broker.Queue) string {
	if t, ok := q.AllArguments()["x-queue-type"].(string); ok {
		return quote.Name(t)
	}
	return "default type"
}

func (p Plan) aboutQueue(q broker.Queue) string {
	w := &words{arguments: q.AllArguments()}
	to, ok := argument.DeadLetters(w.arguments)
	w.wait(ok)
	if ok {
		w.sayf("dead letters to %s", p.targetInText(to))
	}
	w.queue(q)
	return w.String()
}

// wait adds the TTL of a queue, with or without dead letters.
func (w *words) wait(deadLetters bool) {
	if deadLetters {
		w.duration("x-message-ttl", "TTL %v")
		return
	}
	w.duration("x-message-ttl", "TTL %v, then gone")
}

// queue adds all of q but its type, its TTL and its dead-letter target.
func (w *words) queue(q broker.Queue) {
	if _, said := argument.DeadLetters(w.arguments); said {
		delete(w.arguments, "x-dead-letter-exchange")
		delete(w.arguments, "x-dead-letter-routing-key")
	}
	if _, said := w.arguments["x-queue-type"].(string); said {
		delete(w.arguments, "x-queue-type")
	}
	w.number("x-max-length", "at most %d messages")
	w.text("x-overflow", "overflow %s")
	w.duration("x-expires", "expires after %v unused")
	w.deliveryLimit()
	w.delayedRetry()
	w.sayIf(q.Transient, "transient")
	w.sayIf(q.Exclusive, "exclusive")
	w.sayIf(q.AutoDelete, "auto-delete")
	w.rest()
}

func (w *words) deliveryLimit() {
	const limit = "x-delivery-limit"
	if n, ok := argument.Integer(w.arguments, limit); ok && n == broker.HighDeliveryLimit {
		delete(w.arguments, limit)
		w.sayf("delivery limit never reached")
	}
	w.number(limit, "delivery limit %d")
}

func (w *words) delayedRetry() {
	const kind, least, most = "x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max"
	shortest, ok := argument.Milliseconds(w.arguments, least)
	longest, also := argument.Milliseconds(w.arguments, most)
	if w.arguments[kind] != "failed" || !ok || !also {
		return
	}
	for _, name := range []string{kind, least, most} {
		delete(w.arguments, name)
	}
	w.sayf("failed messages wait %v to %v", shortest, longest)
}

func (p Plan) aboutBinding(b broker.Binding) string {
	w := p.match(b)
	w.sayIf(!p.hasExchange(b.Exchange), "the exchange is not declared here")
	w.sayIf(!p.hasQueue(b.Queue), "the queue is not declared here")
	return w.String()
}

// match says which messages b lets through. It is empty for exchanges that ignore the key.
func (p Plan) match(b broker.Binding) *words {
	w := &words{arguments: b.AllArguments()}
	w.sayIf(b.RoutingKey != "" || !p.ignoresKeys(b.Exchange), "key "+quote.Name(b.RoutingKey))
	w.rest()
	return w
}

func (p Plan) ignoresKeys(exchange string) bool {
	kind := broker.PreDeclared()[exchange]
	for _, x := range p.topology.Exchanges {
		if x.Name == exchange {
			kind = x.Kind
		}
	}
	return kind == broker.Fanout || kind == broker.HeadersKind
}

func (p Plan) exchangeInText(name string) string {
	switch {
	case name == "":
		return "the default exchange"
	case !p.hasExchange(name):
		return "exchange " + quote.Name(name) + " (not declared here)"
	}
	return "exchange " + quote.Name(name)
}

func (p Plan) targetInText(to argument.Target) string {
	text := p.exchangeInText(to.Exchange)
	if to.Keyed {
		text += " with key " + quote.Name(to.Key)
	}
	if name, ok := to.Queue(); ok && !p.hasQueue(name) {
		text += " (not declared here)"
	}
	return text
}
