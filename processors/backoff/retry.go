package backoff

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// retry is the next attempt of a message.
type retry struct {
	msg    processor.Message
	policy *policy
	done   int     // retries by the policy before it
	total  int     // by all policies
	each   []int64 // by each of [Policy]
	delay  time.Duration
}

// isLast reports whether the retries are used up.
func (r retry) isLast() bool { return r.limit() != processor.NoLimit && r.done >= r.limit() }

// limit is that of the policy, or processor.NoLimit.
func (r retry) limit() int { return *r.policy.limit }

// String is such as "retry 3 of 20 in 5s".
func (r retry) String() string {
	if r.limit() == processor.NoLimit {
		return fmt.Sprintf("retry %d in %v", r.done+1, r.delay)
	}
	return fmt.Sprintf("retry %d of %d in %v", r.done+1, r.limit(), r.delay)
}

// pick returns the policy for a failure, nil if it must not be retried.
func (b *backoff) pick(f failure) (p *policy, problem error) {
	problem = callback.After("backoff: the function given to If", f.err, func() { p = b.policyFor(f) })
	return p, problem
}

func (b *backoff) policyFor(f failure) *policy {
	for i := range b.policies {
		if p := &b.policies[i]; p.matches(f.err) {
			return p
		}
	}
	if f.asks() || !b.top.selects() || b.top.matches(f.err) {
		return &b.top
	}
	return nil
}

// delay is how long a message waits: as the handler requests, or by the schedule.
func (b *backoff) delay(r retry, f failure) (d time.Duration, problem error) {
	if f.after > 0 {
		return f.after, nil
	}
	problem = callback.After("backoff: the function given to Func", f.err, func() { d = r.policy.schedule.delay(r.done+1, r.msg) })
	return jittered(d, *r.policy.jitter, b.normal()), problem
}
