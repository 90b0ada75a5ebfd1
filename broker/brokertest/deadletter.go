package brokertest

import (
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// keeper makes q a quorum queue that keeps dead messages until a target takes them.
func keeper(q broker.Queue) broker.Queue {
	q.Type, q.Overflow = broker.Quorum, broker.RejectPublish
	q.Arguments = processor.Headers{"x-dead-letter-strategy": "at-least-once"}
	return q
}

var deadLetterCases = []testCase{
	{
		name: "dead-lettering keeps the key",
		why:  "without a dead-letter key the message keeps its own, and its CC",
		run: func(r *rig) {
			x := r.exchange("x", broker.Exchange{Kind: broker.Direct})
			byKey, byCC := r.queue("key", broker.Queue{}), r.queue("cc", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: &broker.DeadLetter{Exchange: x}})
			r.bind(x, byKey, q, nil)
			r.bind(x, byCC, "copy", nil)
			r.send("", q, processor.Envelope{Body: []byte("m"), Headers: processor.Headers{"CC": []any{"copy"}}})
			r.ok(r.subscribe(q, 1).take("m")[0].Nack(false), "nack")
			for _, dead := range []string{byKey, byCC} {
				m := r.subscribe(dead, 1).take("m")[0]
				r.origin(m, processor.Origin{Queue: dead, Exchange: x, RoutingKey: q})
				r.ok(m.Ack(), "ack")
			}
		},
	},
	{
		name: "dead-lettering with a key",
		why:  "a dead-letter key replaces the message's, and its CC with it; from 4.0 on the header CC is still to be seen",
		run: func(r *rig) {
			dead, copied := r.queue("dead", broker.Queue{}), r.queue("copied", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: toQueue(dead)})
			r.send("", q, processor.Envelope{Body: []byte("m"), Headers: processor.Headers{"CC": []any{copied}}})
			r.subscribe(copied, 1).expect("m")
			r.ok(r.subscribe(q, 1).take("m")[0].Nack(false), "nack")
			m := r.subscribe(dead, 1).take("m")[0]
			r.origin(m, processor.Origin{Queue: dead, RoutingKey: dead})
			if _, ok := m.Headers()["CC"]; ok != r.version.ownDeaths {
				r.failf("that CC is still there is %v: %v", ok, m.Headers())
			}
			r.ok(m.Ack(), "ack")
			r.subscribe(copied, 1).nothing()
		},
	},
	{
		name: "dead-lettering keeps the message",
		why:  "body, headers and properties survive dead-lettering, all but the expiration",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: toQueue(dead)})
			r.send("", q, processor.Envelope{Body: []byte("m"), Headers: everyHeaderType(), Properties: allProperties()})
			r.ok(r.subscribe(q, 1).take("m")[0].Nack(false), "nack")
			m := r.subscribe(dead, 1).take("m")[0]
			want := allProperties()
			want.Expiration = 0
			r.sameProperties(m.Properties(), want)
			r.sameHeaders(withoutDeath(m.Headers()), everyHeaderType())
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "without a dead-letter exchange",
		why:  "a message rejected without requeue is gone, and does not come again",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2")
			c := r.subscribe(q, 1)
			r.ok(c.take("1")[0].Nack(false), "nack")
			c.expect("2")
			c.nothing()
		},
	},
	{
		name: "a missing dead-letter target",
		why:  "the message is dropped silently; the queue goes on. A topology has to be verified before it is trusted",
		run: func(r *rig) {
			noQueue := r.queue("no-queue", broker.Queue{DeadLetter: toQueue(r.name("missing"))})
			noExchange := r.queue("no-exchange", broker.Queue{DeadLetter: &broker.DeadLetter{Exchange: r.name("missing")}})
			for _, q := range []string{noQueue, noExchange} {
				r.fill(q, "1", "2")
				c := r.subscribe(q, 1)
				r.ok(c.take("1")[0].Nack(false), "nack")
				c.expect("2")
				c.nothing()
			}
		},
	},
	{
		name: "at-least-once to a target that appears",
		why:  "a quorum queue keeps a dead message until a target takes it",
		run: func(r *rig) {
			missing := r.name("missing")
			for word, to := range map[string]*broker.DeadLetter{
				"queue": toQueue(missing), "exchange": {Exchange: missing},
			} {
				q := r.queue(word, keeper(broker.Queue{DeadLetter: to}))
				r.fill(q, word)
				c := r.subscribe(q, 1)
				r.ok(c.take(word)[0].Nack(false), "nack")
				c.nothing()
			}
			r.queue("missing", broker.Queue{})
			x := r.exchange("missing", broker.Exchange{Kind: broker.Fanout})
			r.bind(x, missing, "", nil)
			c := r.subscribe(missing, 2)
			first, second := c.next(), c.next()
			if string(first.Body()) == string(second.Body()) {
				r.failf("%q came twice", first.Body())
			}
			c.nothing()
		},
	},
	{
		name: "at-least-once to a target that is full",
		why:  "a quorum queue keeps a message that its target refuses, until that has room; other targets get it once",
		run: func(r *rig) {
			x := r.exchange("x", broker.Exchange{Kind: broker.Fanout})
			full := r.queue("full", broker.Queue{MaxLength: 1, Overflow: broker.RejectPublish})
			other := r.queue("other", broker.Queue{})
			for _, q := range []string{full, other} {
				r.bind(x, q, "", nil)
			}
			q := r.queue("q", keeper(broker.Queue{DeadLetter: &broker.DeadLetter{Exchange: x}}))
			r.fill(full, "0")
			r.fill(q, "1")
			r.ok(r.subscribe(q, 1).take("1")[0].Nack(false), "nack")
			others := r.subscribe(other, 10)
			others.expect("1")
			others.nothing()
			c := r.subscribe(full, 1)
			c.expect("0", "1")
			c.nothing()
			others.nothing()
		},
	},
	{
		name: "a cycle without a rejection",
		why:  "a message that goes round by TTL alone is dropped when it is back: a ladder of delays must not lead into itself",
		run: func(r *rig) {
			there, back := r.name("there"), r.name("back")
			for from, to := range map[string]string{there: back, back: there} {
				r.declare(broker.Topology{Queues: []broker.Queue{{
					Name: from, Expires: lifetime, MessageTTL: 50 * time.Millisecond, DeadLetter: toQueue(to),
				}}})
			}
			r.fill(there, "m")
			r.pass(300 * time.Millisecond)
			r.subscribe(there, 1).nothing()
			r.subscribe(back, 1).nothing()
		},
	},
	{
		name: "a cycle with a rejection",
		why:  "a message that a consumer rejected goes round for as long as it is rejected: the classic retry",
		run: func(r *rig) {
			work, wait := r.name("work"), r.name("wait")
			r.declare(broker.Topology{Queues: []broker.Queue{
				{Name: work, Expires: lifetime, DeadLetter: toQueue(wait)},
				{Name: wait, Expires: lifetime, MessageTTL: 50 * time.Millisecond, DeadLetter: toQueue(work)},
			}})
			r.fill(work, "m")
			c := r.subscribe(work, 1)
			for range 3 {
				r.ok(c.take("m")[0].Nack(false), "nack")
			}
			m := c.take("m")[0]
			r.deaths(m,
				death{queue: wait, reason: "expired", key: wait, count: 3},
				death{queue: work, reason: "rejected", key: work, count: 3})
			r.firstDeath(m, work, "rejected", "")
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "a cycle without a rejection, by the delivery limit",
		why:  "a message that dies of the delivery limit and comes back to its queue by dead-lettering alone is dropped: a queue must not lead into itself",
		run: func(r *rig) {
			wait := r.queue("wait", broker.Queue{MessageTTL: 50 * time.Millisecond, DeadLetter: toQueue(r.name("work"))})
			work := r.queue("work", broker.Queue{Type: broker.Quorum, DeliveryLimit: 1, DeadLetter: toQueue(wait)})
			self := r.queue("self", broker.Queue{Type: broker.Quorum, DeliveryLimit: 1, DeadLetter: toQueue(r.name("self"))})
			for _, q := range []string{work, self} {
				r.fill(q, "m")
				c := r.subscribe(q, 1)
				for range 2 {
					r.ok(c.take("m")[0].Nack(true), "nack")
				}
				r.pass(200 * time.Millisecond)
				c.nothing()
				r.ready(q, 0)
			}
			r.ready(wait, 0)
		},
	},
}
