package brokertest

import (
	"context"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var lifeOfWhatIsInHand = testCase{
	name: "life of what is in hand",
	why:  "its context ends when the subscription is closed, not when it is paused: so a handler learns that its message goes to another consumer",
	run: func(r *rig) {
		q := r.queue("q", broker.Queue{})
		r.fill(q, "m")
		c := r.subscribe(q, 1)
		m := c.take("m")[0]
		c.Pause()
		r.ok(m.Context().Err(), "the context of what is in hand, in a pause")
		c.shut()
		r.perished(m)
	},
}

// perished fails if the context of m does not end.
func (r *rig) perished(m *broker.Delivery) {
	r.Helper()
	select {
	case <-m.Context().Done():
		r.is(context.Cause(m.Context()), processor.ErrStale, "why the context of what was in hand has ended")
	case <-time.After(patience):
		r.failf("the context of what was in hand does not end")
	}
	if !m.Lost() || !processor.Lost(m.Context()) {
		r.failf("what was in hand is not lost")
	}
}
