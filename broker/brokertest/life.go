package brokertest

import (
	"context"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var lifeOfWhatIsInHand = testCase{
	name: "life of what is in hand",
	why:  "where the broker tells it ends when the subscription is closed, not when it is stopped: so a handler hears that its message goes to somebody else",
	run: func(r *rig) {
		q := r.queue("q", broker.Queue{})
		r.fill(q, "m")
		c := r.subscribe(q, 1)
		m := c.take("m")[0]
		c.stop()
		r.ok(life(m).Err(), "the life of what is in hand, after stop")
		c.shut()
		r.perished(m)
	},
}

// life is that of the channel of m. It never ends where the broker does not tell.
func life(m processor.Message) context.Context {
	if p, ok := m.(broker.Perishable); ok {
		return p.Life()
	}
	return context.Background()
}

// perished fails if the life of m does not end, where the broker tells.
func (r *rig) perished(m processor.Message) {
	r.Helper()
	over := life(m)
	if over.Done() == nil {
		return
	}
	select {
	case <-over.Done():
		r.is(context.Cause(over), processor.ErrStale, "why the life of what was in hand has ended")
	case <-time.After(patience):
		r.failf("the life of what was in hand does not end")
	}
}
