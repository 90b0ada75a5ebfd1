package brokertest

import (
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// delayedRetry is short, and grows once.
var delayedRetry = &broker.DelayedRetry{Min: 300 * time.Millisecond, Max: 500 * time.Millisecond}

var delayedCases = []testCase{
	{
		name: "delayed retries",
		why:  "a message that failed waits for its next delivery, longer with each failure and at most as long as the queue says; it is not ready meanwhile",
		only: delays,
		run: func(r *rig) {
			q := r.delaying(broker.Queue{})
			r.fill(q, "m")
			c := r.subscribe(q, 1)
			m := c.take("m")[0]
			for i, wait := range []time.Duration{delayedRetry.Min, delayedRetry.Max, delayedRetry.Max} {
				failed := time.Now()
				r.ok(m.Nack(true), "nack")
				r.ready(q, 0)
				m = c.take("m")[0]
				r.notBefore(failed, wait)
				r.counts(m, int64(i+1), int64(i+1))
				r.redelivered(m, true)
			}
			r.ok(m.Ack(), "ack")
			c.nothing()
		},
	},
	{
		name: "delayed retries hold up nothing",
		why:  "messages behind one that waits come at once, and so does one that is given back untouched",
		only: delays,
		run: func(r *rig) {
			q := r.delaying(broker.Queue{})
			r.fill(q, "fails", "released")
			c := r.subscribe(q, 2)
			inHand := c.take("fails", "released")
			failed := time.Now()
			r.ok(inHand[0].Nack(true), "nack")
			r.ok(inHand[1].Release(), "release")
			released := c.take("released")[0]
			r.counts(released, 0, 1)
			r.ok(released.Ack(), "ack")
			r.fill(q, "fresh")
			c.expect("fresh")
			again := c.take("fails")[0]
			r.notBefore(failed, delayedRetry.Min)
			r.counts(again, 1, 1)
			r.ok(again.Ack(), "ack")
		},
	},
	{
		name: "delayed retries after a close",
		why:  "messages given back by closing their subscription come at once, and those that wait stay for the next subscription",
		only: delays,
		run: func(r *rig) {
			q := r.delaying(broker.Queue{})
			r.fill(q, "fails", "in hand", "unreceived")
			c := r.subscribe(q, 3)
			inHand := c.take("fails", "in hand")
			r.ok(inHand[0].Nack(true), "nack")
			c.shut()
			r.subscribe(q, 3).expect("in hand", "unreceived", "fails")
		},
	},
	{
		name: "delayed retries and the delivery limit",
		why:  "the failure that is one too many does not wait: the message is dead-lettered, or it would be lost among the waiting",
		only: delays,
		run: func(r *rig) {
			dead := r.queue("dead", broker.Queue{})
			q := r.delaying(broker.Queue{DeliveryLimit: 1, DeadLetter: toQueue(dead)})
			r.fill(q, "m")
			c := r.subscribe(q, 1)
			for range 2 {
				r.ok(c.take("m")[0].Nack(true), "nack")
			}
			m := r.subscribe(dead, 1).take("m")[0]
			r.deaths(m, death{queue: q, reason: "delivery_limit", key: q, count: 1})
			r.ok(m.Ack(), "ack")
			c.nothing()
		},
	},
	{
		name: "delayed retries that differ are a mismatch",
		why:  "a queue that waits for other times than its worker thinks is ErrMismatch",
		only: delays,
		run: func(r *rig) {
			q := r.delaying(broker.Queue{})
			for _, other := range []*broker.DelayedRetry{
				nil, {Min: delayedRetry.Min, Max: time.Hour}, {Min: time.Millisecond, Max: delayedRetry.Max},
			} {
				err := r.broker.Declare(r.background(), broker.Topology{Queues: []broker.Queue{
					{Name: q, Expires: lifetime, Type: broker.Quorum, DelayedRetry: other},
				}})
				r.is(err, broker.ErrMismatch, "declare with other delays")
			}
			r.fill(q, "still there")
			r.subscribe(q, 1).expect("still there")
		},
	},
	{
		name: "delayed retries that the broker would ignore",
		why:  "a broker before 4.3 takes the arguments and redelivers failed messages at once, again and again: declaring such a queue has to be an error",
		only: func(v version) bool { return !delays(v) },
		run: func(r *rig) {
			q := r.name("q")
			err := r.broker.Declare(r.background(), broker.Topology{Queues: []broker.Queue{
				{Name: q, Expires: lifetime, Type: broker.Quorum, DelayedRetry: delayedRetry},
			}})
			if err == nil {
				r.failf("declaring a queue with delayed retries gave no error")
			}
			err = r.try(processor.Destination{RoutingKey: q}, text(""))
			r.is(err, processor.ErrUnroutable, "publish to the queue")
		},
	},
}

func delays(v version) bool { return v.delaysRetries }

// delaying declares a queue like q with delayed retries.
func (r *rig) delaying(q broker.Queue) string {
	r.Helper()
	q.Type, q.DelayedRetry = broker.Quorum, delayedRetry
	return r.queue("q", q)
}
