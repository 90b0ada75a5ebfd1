package backoff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// PolicyOption is an option of one policy, for [Policy]. Given to [New] itself it applies to the
// errors that no policy covers, and is the default of what policies do not set.
type PolicyOption func(*policy)

func (o PolicyOption) apply(c *config) { o(&c.top) }

// policy is how failures of some kind are retried. Nil fields are not set.
type policy struct {
	number   int // from 1, in the order of [Policy]; 0 is the top level
	schedule *Intervals
	limit    *int
	jitter   *time.Duration
	errs     []error
	ifs      []func(error) bool
	problems []error
}

// Schedule sets the delays. Default: [DefaultIntervals].
func Schedule(s Intervals) PolicyOption {
	return func(p *policy) {
		p.schedule = &s
		if problem := s.check(); problem != nil {
			p.problems = append(p.problems, fmt.Errorf("Schedule: %w", problem))
		}
	}
}

// Retries sets how often a message is retried after its first failure. Default: 20. With 0 the
// first failure is the last; with [processor.NoLimit] it is retried without end.
func Retries(n int) PolicyOption { return func(p *policy) { p.limit = &n } }

// Jitter sets the standard deviation by which the delays of the schedule are spread, so that
// messages which failed together are not redelivered together. The spread is normal, and rounded to
// a fifth of sigma, as in nameko-amqp-retry; no delay becomes negative. A ladder then rounds up to
// its unit, 100 ms by default. A delay that [processor.RetryAfter] requests is not spread. Default:
// 100 ms. With 0 there is none.
func Jitter(sigma time.Duration) PolicyOption { return func(p *policy) { p.jitter = &sigma } }

// For selects these errors, and those that wrap one of them, as in errors.Is. Default: all errors,
// unless there is [If]. With both, either is enough. At the top level, errors that neither it nor a
// policy selects are parked if there is a [Park] destination, and otherwise returned, for an outer
// layer or the broker.
func For(errs ...error) PolicyOption {
	return func(p *policy) {
		p.errs = append(p.errs, errs...)
		if len(errs) == 0 || slices.Contains(errs, nil) {
			p.problems = append(p.problems, errors.New("For has no error, or nil among them: name what is to be retried"))
		}
	}
}

// If selects the errors for which f is true. f may be called concurrently; a panic requeues the
// message. Default: all errors, unless there is [For]. With both, either is enough.
func If(f func(err error) bool) PolicyOption {
	return func(p *policy) {
		p.ifs = append(p.ifs, f)
		if f == nil {
			p.problems = append(p.problems, errors.New("If is nil: give it a function"))
		}
	}
}

// selects reports whether the policy covers some errors only.
func (p *policy) selects() bool { return len(p.errs)+len(p.ifs) > 0 }

// matches reports whether [For] or [If] selects err.
func (p *policy) matches(err error) bool {
	return slices.ContainsFunc(p.errs, func(target error) bool { return callback.Is(err, target) }) ||
		slices.ContainsFunc(p.ifs, func(f func(error) bool) bool { return f(err) })
}

// inherit takes what is not set from the top level.
func (p *policy) inherit(top policy) {
	if p.schedule == nil {
		p.schedule = top.schedule
	}
	if p.limit == nil {
		p.limit = top.limit
	}
	if p.jitter == nil {
		p.jitter = top.jitter
	}
}

// check returns every reason why what is set cannot work.
func (p *policy) check() []error {
	errs := slices.Clone(p.problems)
	if p.limit != nil && *p.limit != processor.NoLimit && (*p.limit < 0 || *p.limit > maxCount) {
		errs = append(errs, fmt.Errorf("Retries is %d: it must be from 0 to %d, or processor.NoLimit", *p.limit, maxCount))
	}
	if p.jitter == nil {
		return errs
	}
	if problem := option.NotNegative("Jitter", *p.jitter); problem != nil {
		errs = append(errs, problem)
	}
	return errs
}

// String is the policy in words.
func (p *policy) String() string {
	return fmt.Sprintf("for %s: %v, retries: %s, jitter %v", p.whom(), p.schedule, often(*p.limit), *p.jitter)
}

// whom says which errors the policy covers.
func (p *policy) whom() string {
	whom := make([]string, 0, len(p.errs)+len(p.ifs))
	for _, err := range p.errs {
		whom = append(whom, excerpt.Error(err, 100))
	}
	for range p.ifs {
		whom = append(whom, "by a function")
	}
	return strings.Join(whom, " or ")
}
