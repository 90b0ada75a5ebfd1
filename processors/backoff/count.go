package backoff

import (
	"slices"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// retry returns the next attempt of msg by policy p.
//
// [HeaderBackoffs] counts all retries, and a header for each policy its own; the rest are those of
// the top level. So what others count, such as Python by x-death, belongs to the top level. A
// sender can write all of these: no count is beyond the limit of its policy, and together they are
// no more than all retries.
func (b *backoff) retry(msg processor.Message, p *policy) retry {
	h := msg.Headers()
	total := min(max(republish.Count(h, HeaderBackoffs), b.delayer.Waits(h)), b.most())
	rest := total
	r := retry{msg: msg, policy: p, total: int(total)}
	for i := range b.policies {
		q := &b.policies[i]
		n := min(republish.Count(h, republish.HeaderPolicy(q.number)), q.most(), rest)
		r.each = append(r.each, n)
		if rest -= n; p == q {
			r.done = int(n)
		}
	}
	if p.number == 0 {
		if total == maxCount { // the next one cannot be counted
			rest = total
		}
		r.done = int(min(rest, p.most()))
	}
	return r
}

// most is how many retries all policies allow together.
func (b *backoff) most() int64 {
	sum := b.top.most()
	for i := range b.policies {
		sum += b.policies[i].most()
	}
	return min(sum, maxCount)
}

// most is how many retries the policy allows, as far as they are counted.
func (p *policy) most() int64 {
	if *p.limit == processor.NoLimit {
		return maxCount
	}
	return int64(*p.limit)
}

// next returns the counts with this retry.
func (r retry) next() retry {
	r.total++
	if n := r.policy.number; n > 0 {
		r.each = slices.Clone(r.each)
		r.each[n-1]++
	}
	return r
}

// write writes the counts into the headers of a copy, instead of those that the message came with.
func (r retry) write(h processor.Headers) {
	h[HeaderBackoffs] = int64(r.total)
	for i, n := range r.each {
		name := republish.HeaderPolicy(i + 1)
		if h[name] = n; n == 0 {
			delete(h, name)
		}
	}
}
