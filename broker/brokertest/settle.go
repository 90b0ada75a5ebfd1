package brokertest

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var settleCases = []testCase{
	{
		name:  "settling twice",
		why:   "the second settlement is ErrSettled and sends nothing: a broker answers a second ack by closing the channel",
		needs: []Ability{Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "1", "2")
			c := r.subscribe(q, 5)
			all := c.take("1", "2")
			if all[0].Settled() {
				r.failf("a message is settled that nobody settled")
			}
			r.ok(all[0].Ack(), "ack")
			if !all[0].Settled() {
				r.failf("a settled message does not say so")
			}
			r.is(all[0].Ack(), processor.ErrSettled, "ack again")
			r.is(all[0].Nack(true), processor.ErrSettled, "nack after ack")
			r.is(all[0].Release(), processor.ErrSettled, "release after ack")
			r.ok(all[1].Ack(), "ack the other")
			r.fill(q, "the channel lives")
			c.expect("the channel lives")
		},
	},
	{
		name: "settling at once",
		why:  "of many settlements at the same time one counts",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "m")
			c := r.subscribe(q, 1)
			m := c.take("m")[0]
			var (
				running sync.WaitGroup
				counted atomic.Int32
			)
			for range 8 {
				running.Go(func() {
					if err := m.Ack(); !errors.Is(err, processor.ErrSettled) {
						counted.Add(1)
					}
				})
			}
			running.Wait()
			if n := counted.Load(); n != 1 {
				r.failf("%d acks counted", n)
			}
			r.fill(q, "the channel lives")
			c.expect("the channel lives")
		},
	},
	{
		name:  "settling out of order",
		why:   "acks may come in any order, and each is for its own message only",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "0", "1", "2", "3", "4")
			c := r.subscribe(q, 5)
			all := c.take("0", "1", "2", "3", "4")
			r.ok(all[4].Ack(), "ack")
			r.ok(all[1].Ack(), "ack")
			r.ok(all[2].Ack(), "ack")
			c.shut()
			r.subscribe(q, 5).expect("0", "3")
		},
	},
	acksBeforeClose(broker.Classic),
	acksBeforeClose(broker.Quorum),
}

// acksBeforeClose sends more acks than a channel of RabbitMQ may have under way to a quorum
// queue.
func acksBeforeClose(kind broker.QueueType) testCase {
	return testCase{
		name:  "many acks before a close, " + string(kind),
		why:   "what was acked stays acked, however soon its subscription is closed: a clean shutdown makes no duplicates",
		needs: []Ability{Queues},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: kind})
			for range 5 {
				r.fill(q, slices.Repeat([]string{"m"}, 150)...)
				c := r.subscribe(q, 150)
				for _, m := range c.take(slices.Repeat([]string{"m"}, 150)...) {
					r.ok(m.Ack(), "ack")
				}
				c.shut()
				next := r.subscribe(q, 150)
				next.nothing()
				next.shut()
			}
		},
	}
}
