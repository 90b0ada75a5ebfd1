package brokertest

import (
	"slices"

	"github.com/gowarren/warren/broker"
)

var prefetchCases = []testCase{
	{
		name:  "prefetch is a bound",
		why:   "no more than that many messages are delivered and unsettled; the others wait in the queue, for any consumer",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2", "3", "4", "5")
			c := r.subscribe(q, 3)
			inHand := c.take("1", "2", "3")
			c.nothing()
			r.ready(q, 2)
			other := r.subscribe(q, 5)
			other.expect("4", "5")
			r.ready(q, 0)
			r.fill(q, "6")
			other.expect("6")
			other.shut()
			r.fill(q, "7")
			c.nothing()
			r.ok(inHand[1].Ack(), "ack")
			c.expect("7")
		},
	},
	{
		name:  "settling makes room",
		why:   "each kind of settlement frees one place",
		needs: []Ability{Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2", "3")
			c := r.subscribe(q, 1)
			r.ok(c.take("1")[0].Ack(), "ack")
			r.ok(c.take("2")[0].Nack(false), "nack")
			r.ok(c.take("3")[0].Nack(true), "requeue")
			c.expect("3")
			c.nothing()
		},
	},
	{
		name:  "two subscriptions share",
		why:   "subscriptions take turns; each message goes to one of them, and none waits while there is work",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			a, b := r.subscribe(q, 1), r.subscribe(q, 1)
			r.fill(q, "1", "2", "3", "4")
			fromA, fromB := a.next(), b.next()
			a.nothing()
			b.nothing()
			bodies := []string{string(fromA.Body()), string(fromB.Body())}
			r.ok(fromB.Ack(), "ack")
			b.expect("3", "4") // a has had its one, and keeps it
			r.ok(fromA.Ack(), "ack")
			slices.Sort(bodies)
			if !slices.Equal(bodies, []string{"1", "2"}) {
				r.failf("the first two were %q", bodies)
			}
			a.nothing()
			b.nothing()
		},
	},
}

// ready checks the count of a broker that counts.
func (r *rig) ready(queue string, want int) {
	r.Helper()
	counter, ok := r.broker.(broker.Counter)
	if !ok {
		return
	}
	got, err := counter.Ready(r.background(), queue)
	r.ok(err, "count")
	if got != want {
		r.failf("%d messages are ready, not %d", got, want)
	}
}
