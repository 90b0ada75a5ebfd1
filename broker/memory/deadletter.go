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

// letter is a message that has died in a queue and is on its way from there.
type letter struct {
	queue   *queue
	message *message
	reason  string
}

// bury takes note of a death. The message is forwarded before the mutex is freed, but
// not here: its way may lead back to the queue that is at work right now.
func (q *queue) bury(m *message, reason string) {
	q.broker.letters = append(q.broker.letters, letter{queue: q, message: m, reason: reason})
}

// forward sends the dead on, and those who die of it.
//
// It ends. A message that dies again and again without a consumer is a cycle, which
// RabbitMQ drops or, with a rejection somewhere in its past, lets run for ever. Here it
// may die once for each queue in one go, more often only in a cycle, and is dropped.
func (b *Broker) forward() {
	if len(b.letters) == 0 {
		return
	}
	b.round++
	for i := 0; i < len(b.letters); i++ {
		b.send(b.letters[i])
	}
	b.letters = nil
}

func (b *Broker) send(l letter) {
	q := l.queue
	if !q.deadLetters {
		b.drop(q, l.message, l.reason, "the queue has no dead-letter exchange")
		return
	}
	x := b.exchanges[q.deadLetter.Exchange]
	if x == nil {
		b.drop(q, l.message, l.reason, "the dead-letter exchange does not exist")
		return
	}
	m := l.reborn()
	m.countHop(l.message, b.round)
	queues := b.route(x, m)
	if len(queues) == 0 {
		b.drop(q, l.message, l.reason, "the dead-letter exchange routes it nowhere")
	}
	for _, to := range queues {
		switch {
		case m.hops > len(b.queues), inCycle(to.name, m):
			b.drop(q, l.message, l.reason, "it goes round in a dead-letter cycle")
		case !to.put(m):
			b.drop(q, l.message, l.reason, "the dead-letter target is full")
		}
	}
}

func (m *message) countHop(from *message, round uint64) {
	m.round = round
	if from.round == round {
		m.hops = from.hops + 1
	}
}

// reborn returns the message as it leaves the queue that it died in.
func (l letter) reborn() *message {
	m := &message{
		envelope: l.message.envelope,
		exchange: l.queue.deadLetter.Exchange,
		keys:     l.message.keys,
		shown:    l.message.shown,
	}
	m.envelope.Headers = recordDeath(l)
	m.envelope.Expiration = 0
	if key := l.queue.deadLetter.RoutingKey; key != "" {
		m.keys, m.shown = []string{key}, 1
		delete(m.envelope.Headers, "CC")
	}
	return m
}

// inCycle reports whether the message has been in the queue before and came from there
// all by itself: with no rejection in between, the last death included.
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
