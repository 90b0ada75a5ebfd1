package memory

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// addCounts returns h with the counts that a quorum queue adds to a message that did not come
// straight from its publisher. Those that the message has brought along show until it has
// some here.
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

// redelivered reports whether the broker says that the message was delivered before. Where
// failures go along when it is dead-lettered, so does that.
func (q *queue) redelivered(e *entry) bool {
	goesAlong := q.kind == broker.Quorum || q.broker.model.died == withAll
	return e.returns > 0 || goesAlong && e.message.failures > 0
}
