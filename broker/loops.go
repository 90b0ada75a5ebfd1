package broker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/internal/quote"
)

// Loop is a path on which dead letters return to a queue without a rejection by a consumer: each
// queue on it gives up messages by itself, because of its delivery limit, its TTL or its length.
// RabbitMQ takes the second round of a message for a cycle and drops it; a queue that
// dead-letters at least once keeps it.
//
// A path that only rejected messages take is no Loop: RabbitMQ lets them circulate, and
// processors/xdeath counts their rounds. But give its work queue the delivery limit
// [HighDeliveryLimit], or messages that reach the limit are lost there.
type Loop struct {
	// Queues are the names of the queues on the path. The last one leads to the first, which has a
	// delivery limit, if one of them has.
	Queues []string
	// Reasons say, for each of the queues, why it gives up messages by itself.
	Reasons []string
	// Limited means that the first queue gives up messages at its delivery limit, and not only
	// because they expire or are too many.
	Limited bool
}

// String returns the path: mail (delivery limit 20, by default) -> wait (TTL 1m0s) -> mail.
func (l Loop) String() string {
	var s strings.Builder
	for i, name := range l.Queues {
		_, _ = fmt.Fprintf(&s, "%s (%s) -> ", quote.Name(name), l.Reasons[i])
	}
	return s.String() + quote.Name(l.Queues[0])
}

// Loops returns the shortest loop of each queue that is in one, each loop once, as far as t
// lists the broker's topology. It walks dead-letter targets, bindings and alternate exchanges,
// with the key of the message where a queue does not replace it. If the route depends on an
// unknown key or header, every route counts. A quorum queue without a delivery limit has that
// of RabbitMQ from 4.0 on, which is 20; a queue without a type is taken for a classic one.
func (t Topology) Loops() []Loop {
	w := newWalk(t)
	var loops []Loop
	var known []string
	for _, q := range t.Queues {
		l, ok := w.loop(q.Name)
		if !ok {
			continue
		}
		sorted := slices.Sorted(slices.Values(l.Queues))
		if id := strings.Join(sorted, "\x00"); !slices.Contains(known, id) {
			known, loops = append(known, id), append(loops, l)
		}
	}
	return loops
}

// CheckLoops returns an error if t has a [Loop], which names its first one and what to change.
func (t Topology) CheckLoops() error {
	loops := t.Loops()
	if len(loops) == 0 {
		return nil
	}
	change := "send its dead letters elsewhere"
	if loops[0].Limited {
		change += ", or give it the delivery limit broker.HighDeliveryLimit if only what is rejected is to go round"
	}
	return fmt.Errorf("the dead letters of the queue %q lead back to it, %v: a message that expires, overflows or reaches a delivery limit there is dropped as a cycle, or never leaves; %s",
		loops[0].Queues[0], loops[0], change)
}

// defaultDeliveryLimit is that of a quorum queue from RabbitMQ 4.0 on.
const defaultDeliveryLimit = 20

// Limit is how many failed deliveries of a message q allows, by its field or its arguments, or
// else by the default of RabbitMQ from 4.0 on. It is false if there is no limit: q is no quorum
// queue, or has a limit that is never reached.
func (q Queue) Limit() (int64, bool) {
	if q.DeclaredType() != Quorum {
		return 0, false
	}
	n, set := argument.Integer(q.AllArguments(), "x-delivery-limit")
	if !set {
		return defaultDeliveryLimit, true
	}
	return n, n >= 0 && n < HighDeliveryLimit
}

// givesUp returns why q dead-letters messages that no consumer rejected, or "" if it never does.
func (q Queue) givesUp() (reason string, limited bool) {
	arguments := q.AllArguments()
	var reasons []string
	limit, limited := q.Limit()
	if limited {
		text := fmt.Sprintf("delivery limit %d", limit)
		if _, set := arguments["x-delivery-limit"]; !set {
			text += ", by default"
		}
		reasons = append(reasons, text)
	}
	if ttl, ok := argument.Milliseconds(arguments, "x-message-ttl"); ok {
		reasons = append(reasons, fmt.Sprintf("TTL %v", ttl))
	}
	_, messages := argument.Integer(arguments, "x-max-length")
	_, bytes := argument.Integer(arguments, "x-max-length-bytes")
	if overflow, _ := arguments.String("x-overflow"); (messages || bytes) && cmp.Or(overflow, string(DropHead)) != string(RejectPublish) {
		reasons = append(reasons, "full")
	}
	return strings.Join(reasons, ", "), limited
}
