package queue

import (
	"cmp"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/version"
	"github.com/gowarren/warren/processor"
)

// Admit refuses a consumer beside an exclusive one.
func (q *Queue) Admit(o broker.ConsumerOptions) error {
	if q.exclusive || o.Exclusive && q.consumers > 0 {
		return fmt.Errorf("memory: queue %q: %w", q.Name, broker.ErrInUse)
	}
	return nil
}

// Join adds a consumer and delivers the messages that it has room for.
func (q *Queue) Join(c *Consumer) {
	q.consumers++
	q.exclusive = c.Options.Exclusive
	q.lease.Set(time.Time{})
	q.Feed(c)
}

// Feed delivers the messages that a consumer has room for, and balances the queue.
func (q *Queue) Feed(c *Consumer) {
	q.hungry.feed(c)
	q.Balance()
}

// Leave removes a consumer that is paused or closed. When it joins again, it waits behind the others.
func (q *Queue) Leave(c *Consumer) {
	q.consumers--
	q.hungry.forget(c)
	q.exclusive = false
	q.RenewLease()
}

// Show returns the headers of an entry as a consumer sees them, and where it comes from.
func (q *Queue) Show(e *Entry) (processor.Headers, processor.Origin) {
	return q.addCounts(e.Envelope.Headers, e), processor.Origin{
		Queue:       q.Name,
		Exchange:    e.Exchange,
		RoutingKey:  e.Keys[0],
		Redelivered: q.redelivered(e),
	}
}

// addCounts returns h with the counts that a quorum queue adds to a message that was redelivered
// or dead-lettered. Counts that the message came with show until it has some here.
func (q *Queue) addCounts(h processor.Headers, e *Entry) processor.Headers {
	failures, returns := cmp.Or(e.attempts, e.Failures), cmp.Or(e.returns, e.Failures)
	if q.Settings.Type != broker.Quorum || failures+returns == 0 {
		return h
	}
	h = h.Clone()
	if failures > 0 {
		h["x-delivery-count"] = failures
	}
	if returns > 0 && q.model.Acquired {
		h["x-acquired-count"] = returns
	}
	return h
}

// redelivered reports whether the broker marks the message as delivered before. On versions
// where dead-lettering keeps the failures, it keeps this mark too.
func (q *Queue) redelivered(e *Entry) bool {
	goesAlong := q.Settings.Type == broker.Quorum || q.model.Died == version.WithAll
	return e.returns > 0 || goesAlong && e.Failures > 0
}
