package brokertest

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var priorityCases = []testCase{
	{
		name: "by priority",
		why:  "a quorum queue delivers higher priorities first on 4.3, two of a higher class for each of the others on 4.0, and knows none before; a message without one has 4",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum})
			for _, round := range []string{"a", "b"} {
				r.prioritized(q, "none "+round, 0)
				for _, p := range []uint8{3, 4, 5, 9} {
					r.prioritized(q, string('0'+p)+round, p)
				}
			}
			c := r.subscribe(q, 1)
			c.expect(r.version.priorities...)
			c.nothing()
		},
	},
	{
		name: "a priority of 0 is not none",
		why:  "a quorum queue of 4.3 delivers a message without a priority before one of 3 and one of 0; a copy has to keep which it was",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum})
			r.send("", q, processor.Envelope{Body: []byte("zero"), Properties: processor.Properties{PriorityZero: true}})
			r.prioritized(q, "three", 3)
			r.prioritized(q, "none", 0)
			c := r.subscribe(q, 3)
			for _, m := range c.take(r.version.zeroPriority...) {
				if want := string(m.Body()) == "zero"; m.Properties().PriorityZero != want {
					r.failf("%s: a priority of 0: %t", m.Body(), !want)
				}
			}
		},
	},
	{
		name: "no priorities in a classic queue",
		why:  "a classic queue that was not declared with priorities goes by the order of arrival",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{})
			r.prioritized(q, "low", 1)
			r.prioritized(q, "high", 9)
			r.subscribe(q, 1).expect("low", "high")
		},
	},
	{
		name: "what comes back goes before a higher priority",
		why:  "a message that was delivered once comes first, whatever its priority, where it does not go to the tail",
		run: func(r *rig) {
			q := r.queue("q", broker.Queue{Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit})
			r.prioritized(q, "low", 1)
			c := r.subscribe(q, 1)
			m := c.take("low")[0]
			c.pause()
			r.prioritized(q, "high", 9)
			r.ok(m.Nack(true), "nack")
			c.shut()
			r.subscribe(q, 1).expect("low", "high")
		},
	},
}

func (r *rig) prioritized(q, body string, priority uint8) {
	r.Helper()
	r.send("", q, processor.Envelope{Body: []byte(body), Properties: processor.Properties{Priority: priority}})
}
