package broker

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gowarren/warren/internal/argument"
)

// walk follows dead letters through a topology.
type walk struct {
	exchanges map[string]Exchange
	queues    map[string]Queue
	bindings  map[string][]Binding // by exchange
	keys      map[string][]string  // with which messages are published to a queue
}

// anyKey stands for a routing key that depends on the message. No key has a zero byte.
const anyKey = "\x00"

func newWalk(t Topology) *walk {
	w := &walk{map[string]Exchange{}, map[string]Queue{}, map[string][]Binding{}, map[string][]string{}}
	for _, x := range t.Exchanges {
		w.exchanges[x.Name] = x
	}
	for _, q := range t.Queues {
		w.queues[q.Name] = q
	}
	for _, b := range t.Bindings {
		w.bindings[b.Exchange] = append(w.bindings[b.Exchange], b)
		w.keys[b.Queue] = append(w.keys[b.Queue], w.published(b))
	}
	return w
}

// published is the key of messages that a binding lets through.
func (w *walk) published(b Binding) string {
	switch kind := w.kind(b.Exchange); {
	case kind == Direct, kind == Topic && !strings.ContainsAny(b.RoutingKey, "*#"):
		return b.RoutingKey
	}
	return anyKey
}

func (w *walk) kind(exchange string) Kind {
	if x, ok := w.exchanges[exchange]; ok {
		return x.Kind
	}
	return cmp.Or(preDeclared[exchange], HeadersKind) // an unknown kind may route to every queue bound to it
}

// visit is a message with a key in a queue, and the visit that it came from.
type visit struct {
	queue, key string
	from       *visit
}

// loop returns the shortest path from a queue back to it.
func (w *walk) loop(queue string) (Loop, bool) {
	starts := w.keys[queue]
	if len(starts) == 0 {
		starts = []string{queue} // by the default exchange
	}
	var near []*visit
	for _, key := range starts {
		near = append(near, &visit{queue: queue, key: key})
	}
	type place struct{ queue, key string }
	known := map[place]bool{}
	for ; len(near) > 0; near = near[1:] {
		v := near[0]
		for _, next := range w.next(v) {
			if next.queue == queue {
				return w.found(v), true
			}
			if p := (place{next.queue, next.key}); !known[p] {
				known[p] = true
				near = append(near, next)
			}
		}
	}
	return Loop{}, false
}

// next is where a queue dead-letters messages by itself.
func (w *walk) next(v *visit) []*visit {
	q, listed := w.queues[v.queue]
	to, ok := argument.DeadLetters(q.AllArguments())
	if reason, _ := q.givesUp(); !listed || !ok || reason == "" {
		return nil
	}
	key := v.key
	if to.Keyed {
		key = to.Key
	}
	var all []*visit
	for _, name := range w.route(to.Exchange, key, nil) {
		all = append(all, &visit{name, key, v})
	}
	return all
}

// route returns the queues that an exchange may have for a key. passed are the exchanges
// whose alternates have led here.
func (w *walk) route(exchange, key string, passed []string) []string {
	if exchange == "" {
		if key == anyKey {
			return nil // unknown
		}
		return []string{key}
	}
	var queues []string
	certain := false
	for _, b := range w.bindings[exchange] {
		takes, surely := w.takes(b, key)
		if takes {
			queues = append(queues, b.Queue)
		}
		certain = certain || surely
	}
	alternate, ok := w.exchanges[exchange].AllArguments().String("alternate-exchange")
	if certain || !ok || slices.Contains(passed, alternate) {
		return queues
	}
	return append(queues, w.route(alternate, key, append(passed, exchange))...)
}

// takes reports whether a binding lets a message through, and whether that is certain.
func (w *walk) takes(b Binding, key string) (may, surely bool) {
	switch kind := w.kind(b.Exchange); {
	case kind == Fanout:
		return true, true
	case kind == HeadersKind, key == anyKey:
		return true, false
	case kind == Topic:
		fits := topicFits(strings.Split(b.RoutingKey, "."), strings.Split(key, "."))
		return fits, fits
	case kind == Direct:
		return b.RoutingKey == key, b.RoutingKey == key
	}
	return true, false // the exchange of a plugin
}

// topicFits matches a key against a pattern: * is one word, # any number of them.
func topicFits(pattern, key []string) bool {
	fits := make([]bool, len(key)+1) // the first words of the key, with the pattern so far
	fits[0] = true
	for _, word := range pattern {
		for i := len(key); i > 0 && word != "#"; i-- {
			fits[i] = fits[i-1] && (word == "*" || word == key[i-1])
		}
		for i := 1; i <= len(key) && word == "#"; i++ {
			fits[i] = fits[i] || fits[i-1]
		}
		fits[0] = fits[0] && word == "#"
	}
	return fits[len(key)]
}

// found makes a loop of the path to v, which leads back to its start. The loop begins with a
// queue that has a delivery limit.
func (w *walk) found(v *visit) Loop {
	var l Loop
	for ; v != nil; v = v.from {
		l.Queues = append(l.Queues, v.queue)
	}
	slices.Reverse(l.Queues)
	for i, name := range l.Queues {
		if _, limited := w.queues[name].givesUp(); limited && !w.waits(name) {
			l.Queues, l.Limited = slices.Concat(l.Queues[i:], l.Queues[:i]), true
			break
		}
	}
	for _, name := range l.Queues {
		reason, _ := w.queues[name].givesUp()
		l.Reasons = append(l.Reasons, reason)
	}
	return l
}

// waits reports whether queue is a delay queue: it has no consumers, so its limit does not matter.
func (w *walk) waits(queue string) bool {
	_, ok := argument.Milliseconds(w.queues[queue].AllArguments(), "x-message-ttl")
	return ok
}
