package memory

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// addCounts returns h with the counts that a quorum queue adds to a message that was redelivered
// or dead-lettered. Counts that the message came with show until it has some here.
func (q *queue) addCounts(h processor.Headers, e *entry) processor.Headers {
	failures, returns := e.attempts, e.returns
	if failures == 0 {
		failures = e.message.failures
	}
	if returns == 0 {
		returns = e.message.failures
	}
	if q.kind != broker.Quorum || failures+returns == 0 {
		return h
	}
	h = h.Clone()
	if failures > 0 {
		h["x-delivery-count"] = failures
	}
	if returns > 0 && q.broker.model.acquired {
		h["x-acquired-count"] = returns
	}
	return h
}

// redelivered reports whether the broker marks the message as delivered before. On versions
// where dead-lettering keeps the failures, it keeps this mark too.
func (q *queue) redelivered(e *entry) bool {
	goesAlong := q.kind == broker.Quorum || q.broker.model.died == withAll
	return e.returns > 0 || goesAlong && e.message.failures > 0
}
