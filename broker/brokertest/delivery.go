package brokertest

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// deliveryCases are about the counts of quorum queues.
var deliveryCases = []testCase{
	{
		name: "a delivery limit",
		why:  "a quorum queue dead-letters a message that was delivered and requeued more often than its limit, and counts for its consumers",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{Type: broker.Quorum, DeadLetter: toQueue(dead), DeliveryLimit: 2})
			r.fill(q, "m")
			c := r.subscribe(q, 1)
			for attempt := range int64(3) {
				m := c.take("m")[0]
				r.counts(m, attempt, attempt)
				r.redelivered(m, attempt > 0)
				r.ok(m.Nack(true), "nack")
			}
			c.nothing()
			m := r.subscribe(dead, 1).take("m")[0]
			r.deaths(m, death{queue: q, reason: "delivery_limit", key: q, count: 1})
			if n, ok := m.Headers()["x-delivery-count"]; ok {
				r.failf("x-delivery-count %v went along to a classic queue", n)
			}
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "the default delivery limit",
		why:  "from 4.0 on a quorum queue lets a message fail 20 times, not more, unless it says otherwise; before, it has no limit",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{Type: broker.Quorum, DeadLetter: toQueue(dead)})
			r.fill(q, "m")
			if !r.failTillLimit(q) {
				return
			}
			m := r.subscribe(dead, 1).take("m")[0]
			r.deaths(m, death{queue: q, reason: "delivery_limit", key: q, count: 1})
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "the default delivery limit, and nowhere to go",
		why:  "without a dead-letter exchange the message is lost silently: a queue has to name a target, or a high limit",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum})
			r.fill(q, "m")
			if r.failTillLimit(q) {
				r.ready(q, 0)
			}
			r.fill(q, "goes on")
			r.subscribe(q, 1).expect("goes on")
		},
	},
	{
		name: "a high delivery limit",
		why:  "a queue with broker.HighDeliveryLimit drops nothing, on every version",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit})
			r.fill(q, "m")
			c := r.subscribe(q, 1)
			for range 25 {
				r.ok(c.take("m")[0].Nack(true), "nack")
			}
			c.expect("m")
		},
	},
	{
		name: "what counts as a failure",
		why:  "a message that is nacked has failed; from 4.3 on one that is released has not, and only x-acquired-count tells that it was delivered",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum, DeliveryLimit: 10})
			r.fill(q, "m")
			c := r.subscribe(q, 1)
			var failures, returns int64
			for range 2 {
				r.ok(c.take("m")[0].Nack(true), "nack")
				failures, returns = failures+1, returns+1
				m := c.take("m")[0]
				r.counts(m, failures, returns)
				r.ok(m.Release(), "release")
				returns++
				if r.version.untouchedCounts {
					failures++
				}
				m = c.take("m")[0]
				r.counts(m, failures, returns)
				c.shut()
				returns++
				if r.version.untouchedCounts {
					failures++
				}
				c = r.subscribe(q, 1)
				m = c.take("m")[0]
				r.counts(m, failures, returns)
				r.ok(m.Nack(true), "nack")
				failures, returns = failures+1, returns+1
			}
			c.expect("m")
		},
	},
	{
		name: "counts of a sender",
		why:  "x-delivery-count and x-acquired-count of a publisher are shown and do not count: they are a claim",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum, DeliveryLimit: 5})
			claim := processor.Headers{"x-delivery-count": int64(7), "x-acquired-count": int64(9)}
			r.send("", q, processor.Envelope{Body: []byte("m"), Headers: claim})
			c := r.subscribe(q, 1)
			m := c.take("m")[0]
			r.sameHeaders(m.Headers(), claim)
			r.redelivered(m, false)
			r.ok(m.Nack(true), "nack")
			m = c.take("m")[0]
			if n, _ := m.Headers().Int64("x-delivery-count"); n != 1 {
				r.failf("x-delivery-count is %d after one failure", n)
			}
			r.ok(m.Ack(), "ack")
		},
	},
}

// failTillLimit nacks the one message of q until the default limit removes it. Without a
// limit it acks the message, and returns false.
func (r *rig) failTillLimit(q string) bool {
	r.Helper()
	limit := r.version.deliveryLimit
	limited := limit > 0
	if !limited {
		limit = 25
	}
	c := r.subscribe(q, 1)
	for range limit + 1 {
		r.ok(c.take("m")[0].Nack(true), "nack")
	}
	if !limited {
		c.expect("m")
	}
	c.nothing()
	c.shut()
	return limited
}

// counts fails unless a quorum queue's message has that many failures, and that many
// deliveries before this one where the version counts them.
func (r *rig) counts(m processor.Message, failures, returns int64) {
	r.Helper()
	want := map[string]int64{"x-delivery-count": failures, "x-acquired-count": returns}
	if !r.version.acquired {
		want["x-acquired-count"] = 0
	}
	for name, n := range want {
		got, there := m.Headers().Int64(name)
		if got != n || there != (n > 0) {
			r.failf("%s is %v, not %d", name, m.Headers()[name], n)
		}
	}
}
