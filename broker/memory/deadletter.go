package memory

import (
	"slices"

	"github.com/gowarren/warren/processor"
)

// The reasons for a message's death, as x-death has them.
const (
	rejected      = "rejected"
	expired       = "expired"
	maxlen        = "maxlen"
	deliveryLimit = "delivery_limit"
)

// letter is a message that has died in a queue and is being dead-lettered.
type letter struct {
	queue   *queue
	message *message
	reason  string
	// failures counts those that it had in its queue.
	failures int64

	held bool     // its queue keeps it until its targets take it
	sent []string // queues that have taken it already
}

// bury records a death. The message is forwarded before the mutex is unlocked, but
// not here: its route may lead back to the queue that is being changed.
func (q *queue) bury(e *entry, reason string) {
	q.broker.letters = append(q.broker.letters, letter{queue: q, message: e.message, reason: reason, failures: e.attempts})
}

// forward sends dead messages to their targets, and those that die of that too. Messages that
// their queue keeps are tried again at each call, whenever something may have changed.
//
// It ends. A message that dies again and again without a consumer is a cycle, which
// RabbitMQ drops or, with a rejection somewhere in its past, lets run without end. Here it
// may die once for each queue in one call; more often is a cycle, and it is dropped.
func (b *Broker) forward() {
	if len(b.letters) == 0 {
		return
	}
	b.round++
	var held []letter
	for i := 0; i < len(b.letters); i++ {
		if l := &b.letters[i]; !b.send(l) {
			held = append(held, *l)
		}
	}
	b.letters = held
}

// send returns false if the letter's queue keeps it.
func (b *Broker) send(l *letter) bool {
	q := l.queue
	if l.held {
		l.held = false
		q.held--
	}
	if !q.deadLetters {
		b.drop(q, l.message, l.reason, "the queue has no dead-letter exchange")
		return true
	}
	x := b.exchanges[q.deadLetter.Exchange]
	if x == nil {
		return !b.stuck(l, "the dead-letter exchange does not exist")
	}
	m := b.model.reborn(l)
	m.countHop(l.message, b.round)
	queues := b.route(x, m)
	if len(queues) == 0 {
		return !b.stuck(l, "the dead-letter exchange routes it nowhere")
	}
	gone := true
	for _, to := range queues {
		switch {
		case slices.Contains(l.sent, to.name):
		case m.hops > len(b.queues), inCycle(to.name, m):
			gone = !b.stuck(l, "it goes round in a dead-letter cycle") && gone
		case !to.put(m):
			gone = !b.stuck(l, "the dead-letter target is full") && gone
		case q.keepsDead():
			l.sent = append(l.sent, to.name)
		}
	}
	return gone
}

// stuck drops a letter that no target takes, unless its queue keeps it.
func (b *Broker) stuck(l *letter, why string) (kept bool) {
	if !l.queue.keepsDead() || l.queue.expired {
		b.drop(l.queue, l.message, l.reason, why)
		return false
	}
	if !l.held {
		l.held = true
		l.queue.held++
	}
	return true
}

func (m *message) countHop(from *message, round uint64) {
	m.round = round
	if from.round == round {
		m.hops = from.hops + 1
	}
}

// reborn returns the message as it leaves the queue that it died in.
func (m *model) reborn(l *letter) *message {
	next := &message{
		envelope: l.message.envelope,
		exchange: l.queue.deadLetter.Exchange,
		keys:     l.message.keys,
		shown:    l.message.shown,
		dead:     true,
		failures: m.carry(l),
	}
	next.envelope.Headers = m.recordDeath(l)
	next.envelope.Expiration = 0
	if key := l.queue.deadLetter.RoutingKey; key != "" {
		next.keys, next.shown = []string{key}, 1
		if !m.containers {
			delete(next.envelope.Headers, "CC")
		}
	}
	return next
}

// inCycle reports whether the message has been in the queue before and returned without a
// rejection in between, the last death included.
func inCycle(queue string, m *message) bool {
	deaths, _ := m.envelope.Headers.List("x-death")
	last := slices.IndexFunc(deaths, func(death any) bool {
		return deathField(death, "queue") == queue
	})
	return last >= 0 && !slices.ContainsFunc(deaths[:last+1], func(death any) bool {
		return deathField(death, "reason") == rejected
	})
}

func deathField(death any, name string) string {
	table, _ := death.(processor.Headers)
	value, _ := table.String(name)
	return value
}
