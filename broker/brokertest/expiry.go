package brokertest

import (
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var expiryCases = []testCase{
	{
		name: "queue TTL",
		why:  "messages expire in their order, not before their time",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{MessageTTL: 200 * time.Millisecond, DeadLetter: toQueue(dead)})
			start := time.Now()
			r.fill(q, "1", "2", "3")
			r.subscribe(dead, 5).expect("1", "2", "3")
			r.notBefore(start, 200*time.Millisecond)
		},
	},
	{
		name: "message expiration",
		why:  "a message's own expiration counts where the queue has no TTL; it is gone from the message afterwards, or it would expire again",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: toQueue(dead)})
			start := time.Now()
			r.send("", q, expiring("m", 100*time.Millisecond))
			m := r.subscribe(dead, 1).take("m")[0]
			r.notBefore(start, 100*time.Millisecond)
			if e := m.Properties().Expiration; e != 0 {
				r.failf("the expiration is still %v", e)
			}
			r.ok(m.Ack(), "ack")
		},
	},
	{
		name: "the sooner of TTL and expiration",
		why:  "where the queue has a TTL and the message an expiration the smaller one counts",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			short := r.queue("short", broker.Queue{MessageTTL: 100 * time.Millisecond, DeadLetter: toQueue(dead)})
			long := r.queue("long", broker.Queue{MessageTTL: time.Hour, DeadLetter: toQueue(dead)})
			r.send("", short, expiring("by TTL", time.Hour))
			c := r.subscribe(dead, 5)
			c.expect("by TTL")
			r.send("", long, expiring("by expiration", 100*time.Millisecond))
			c.expect("by expiration")
		},
	},
	{
		name: "expiry waits for the head",
		why:  "a message expires only at the head of its queue: a short delay behind a long one lasts as long, so one queue cannot serve several delays",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{DeadLetter: toQueue(dead)})
			start := time.Now()
			r.send("", q, expiring("slow", 300*time.Millisecond))
			r.send("", q, expiring("quick", 50*time.Millisecond))
			c := r.subscribe(dead, 5)
			c.expect("slow")
			r.notBefore(start, 300*time.Millisecond)
			c.expect("quick")
		},
	},
	{
		name: "no expiry in hand",
		why:  "a delivered message does not expire; given back too late, it does",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.queue("q", broker.Queue{MessageTTL: 100 * time.Millisecond, DeadLetter: toQueue(dead)})
			c := r.subscribe(q, 2)
			r.fill(q, "acked", "given back")
			inHand := c.take("acked", "given back")
			r.pass(300 * time.Millisecond)
			r.ok(inHand[0].Ack(), "ack")
			c.shut()
			d := r.subscribe(dead, 2)
			d.expect("given back")
			d.nothing()
		},
	},
	{
		name: "a queue that expires",
		why:  "an unused queue is deleted when its time is up, and its messages are not dead-lettered; one with a consumer stays",
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			unused := r.queue("unused", broker.Queue{Expires: 100 * time.Millisecond, DeadLetter: toQueue(dead)})
			used := r.queue("used", broker.Queue{Expires: 5 * time.Second})
			c := r.subscribe(used, 1)
			r.fill(unused, "lost with the queue")
			r.pass(400 * time.Millisecond)
			// Checked by publishing: a subscription might declare the queue again first.
			r.unroutable("", unused)
			r.fill(used, "m")
			c.expect("m")
			r.subscribe(dead, 1).nothing()
		},
	},
	{
		name: "redeclaring what expires",
		why:  "a queue that expires begins its time anew when it is redeclared, and keeps its messages; without a redeclare it is deleted",
		run: func(r *rig) {
			again, ok := r.broker.(broker.Redeclarer)
			if !ok {
				return
			}
			q, work := r.name("expires"), r.queue("work", broker.Queue{})
			t := broker.Topology{Queues: []broker.Queue{{Name: q, Expires: time.Second, DeadLetter: toQueue(work)}}}
			r.ok(again.Redeclare(r.background(), t), "redeclare what is not there")
			r.send("", q, expiring("came through", 1200*time.Millisecond))
			for range 5 {
				r.pass(300 * time.Millisecond)
				r.ok(again.Redeclare(r.background(), t), "redeclare")
			}
			r.subscribe(work, 1).expect("came through")
			t.Queues[0].Expires = time.Hour
			r.is(again.Redeclare(r.background(), t), broker.ErrMismatch, "redeclare with another time")
			r.pass(1300 * time.Millisecond)
			r.unroutable("", q)
		},
	},
}

func expiring(body string, after time.Duration) processor.Envelope {
	e := text(body)
	e.Expiration = after
	return e
}

// notBefore allows the broker's clock one tick.
func (r *rig) notBefore(start time.Time, d time.Duration) {
	r.Helper()
	if elapsed := time.Since(start); elapsed < d-time.Millisecond {
		r.failf("it came after %v, which is before %v", elapsed, d)
	}
}
