package brokertest

import (
	"strconv"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var redeliveryCases = []testCase{
	{
		name: "nack with requeue",
		why:  "the message is delivered again, marked as redelivered",
		run: func(r *rig) {
			r.again(func(c *consumer, m *broker.Delivery) *consumer {
				r.redelivered(m, false)
				r.ok(m.Nack(true), "nack")
				return c
			})
		},
	},
	{
		name: "release",
		why:  "a message given back untouched comes again, marked as redelivered",
		run: func(r *rig) {
			r.again(func(c *consumer, m *broker.Delivery) *consumer {
				r.ok(m.Release(), "release")
				return c
			})
		},
	},
	{
		name:  "close of the subscription",
		why:   "messages in flight come again, marked as redelivered, and settling them late is ErrStale: they belong to another consumer now",
		needs: []Ability{Queues},
		run: func(r *rig) {
			r.again(func(c *consumer, m *broker.Delivery) *consumer {
				c.shut()
				next := r.subscribe(m.Origin().Queue, 1)
				r.is(m.Ack(), processor.ErrStale, "ack after close")
				r.is(m.Ack(), processor.ErrSettled, "ack once more")
				return next
			})
		},
	},
	lifeOfWhatIsInHand,
	{
		name:  "order after a requeue",
		why:   "a requeued message takes its old place, whatever the order of the returns",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.fill(q, "0", "1", "2", "3", "4", "5")
			c := r.subscribe(q, 4)
			inHand := c.take("0", "1", "2", "3")
			c.pause()
			for _, i := range []int{2, 0, 3} {
				r.ok(inHand[i].Nack(true), "nack")
			}
			c.shut() // 1 goes back with it
			next := r.subscribe(q, 10)
			for i, m := range next.take("0", "1", "2", "3", "4", "5") {
				r.redelivered(m, i < 4)
				r.ok(m.Ack(), "ack")
			}
			next.nothing()
		},
	},
	orderAfterClose(broker.Classic),
	orderAfterClose(broker.Quorum),
}

// orderAfterClose closes again and again: a queue that puts back some of the messages in
// another place shows it the next time.
func orderAfterClose(kind broker.QueueType) testCase {
	return testCase{
		name:  "order after a close, " + string(kind),
		why:   "messages that are unsettled when their subscription is closed come again first and in their old order, received or not: a restart must not make one message overtake another",
		needs: []Ability{Queues, Order},
		run: func(r *rig) {
			var bodies []string
			for i := range 80 {
				bodies = append(bodies, strconv.Itoa(i))
			}
			q := r.queue("q", broker.Queue{Type: kind})
			r.fill(q, bodies...)
			for range 5 {
				c := r.subscribe(q, 40)
				inHand := c.take(bodies[:8]...)
				for _, i := range []int{3, 0, 2, 1} {
					r.ok(inHand[i].Ack(), "ack")
				}
				bodies = bodies[4:]
				c.shut() // with 4 in flight, and about 36 that were not received
			}
			r.subscribe(q, 40).expect(bodies...)
		},
	}
}

// again takes a message, has it given back, and expects it again at the consumer that
// giveBack returns.
func (r *rig) again(giveBack func(*consumer, *broker.Delivery) *consumer) {
	r.Helper()
	q := r.queue("q", broker.Queue{})
	c := r.subscribe(q, 1)
	r.fill(q, "m")
	c = giveBack(c, c.take("m")[0])
	m := c.take("m")[0]
	r.redelivered(m, true)
	r.ok(m.Ack(), "ack")
	c.nothing()
}
