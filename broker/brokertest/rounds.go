package brokertest

import (
	"github.com/gowarren/warren/broker"
)

// rounds is more often than a message may fail by default.
const rounds = 30

// roundCases are about workers that come and go.
var roundCases = []testCase{
	{
		name: "subscribe and close, again and again",
		why:  "a worker that restarts again and again, as one that crashes at its start does, must not lose its messages: that does not count on 4.3, and where it counts the limit has to be high",
		run: func(r *rig) {
			q := r.comeAndGo((*consumer).shut)
			r.subscribe(q, 10).expect("0", "1", "2", "3", "4")
		},
	},
	{
		name: "subscribe, pause and close, again and again",
		why:  "messages that a worker gives back in a pause are not lost either, however often",
		run: func(r *rig) {
			q := r.comeAndGo(func(c *consumer) {
				c.pause()
				c.shut()
			})
			c := r.subscribe(q, 10)
			c.all("0", "1", "2", "3", "4") // in another order: messages in flight go back later
			c.nothing()
		},
	},
	{
		name: "order after a requeue, quorum",
		why:  "a quorum queue puts what comes back before what is fresh, in the order in which it comes back; without a limit 3.10 puts it behind",
		run: func(r *rig) {
			for word, q := range map[string]struct {
				queue broker.Queue
				want  []string
			}{
				"default": {broker.Queue{}, r.version.requeued},
				"limited": {broker.Queue{DeliveryLimit: 9}, r.version.requeuedWithLimit},
			} {
				q.queue.Type = broker.Quorum
				name := r.queue(word, q.queue)
				r.fill(name, "0", "1", "2", "3", "4", "5")
				c := r.subscribe(name, 4)
				inHand := c.take("0", "1", "2", "3")
				c.pause()
				r.ok(inHand[3].Ack(), "ack")
				for _, i := range []int{2, 0, 1} {
					r.ok(inHand[i].Nack(true), "nack")
				}
				r.subscribe(name, 1).expect(q.want...)
			}
		},
	},
}

// comeAndGo ends subscriptions of a queue with 0 to 4 many times, with a message in flight
// every other time.
func (r *rig) comeAndGo(end func(*consumer)) (queue string) {
	r.Helper()
	q := r.queue("q", r.version.patient())
	r.fill(q, "0", "1", "2", "3", "4")
	for round := range rounds {
		c := r.subscribe(q, 10)
		if round%2 == 0 {
			c.next()
		}
		end(c)
	}
	return q
}
