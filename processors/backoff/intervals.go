package backoff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Intervals are the delays of a schedule, one for each retry. [Fixed], [List], [Exponential] and
// [Func] create them.
type Intervals struct {
	all     []time.Duration // the last repeats; nil where they are computed
	compute func(attempt int, msg processor.Message) time.Duration
	text    string
	problem error
}

// DefaultIntervals are those of a schedule that is not set, as in nameko-amqp-retry: 1, 2, 3, 5, 8,
// 13, 21, 34 and then 55 seconds.
func DefaultIntervals() Intervals {
	return List(1*time.Second, 2*time.Second, 3*time.Second, 5*time.Second, 8*time.Second,
		13*time.Second, 21*time.Second, 34*time.Second, 55*time.Second)
}

// Fixed is the same delay each time. With 0 the message is redelivered at once.
func Fixed(d time.Duration) Intervals { return intervals(fmt.Sprintf("%v each time", d), d) }

// List is one delay after the other; the last repeats. With 0 the message is redelivered at once.
func List(ds ...time.Duration) Intervals {
	if len(ds) == 0 {
		return Intervals{problem: errors.New("List is empty: give it a delay")}
	}
	if len(ds) == 1 {
		return Fixed(ds[0])
	}
	var words []string
	for _, d := range ds {
		words = append(words, d.String())
	}
	last := len(words) - 1
	return intervals(strings.Join(words[:last], ", ")+", then "+words[last]+" each time", ds...)
}

// Exponential starts with first and doubles each time, up to longest.
func Exponential(first, longest time.Duration) Intervals {
	if first <= 0 || longest < first {
		return Intervals{problem: fmt.Errorf("Exponential from %v to %v: the first must be more than 0, and the longest not less than the first", first, longest)}
	}
	all := []time.Duration{first}
	for d := first; d < longest; {
		d += min(d, longest-d) // cannot overflow
		all = append(all, d)
	}
	return intervals(fmt.Sprintf("%v, doubling up to %v", first, longest), all...)
}

// Func computes each delay: attempt is the number of the retry, from 1, and msg the message that
// failed. A negative delay is 0. f may be called concurrently; a panic requeues the message. Beware
// of delays computed from what a sender wrote.
func Func(f func(attempt int, msg processor.Message) time.Duration) Intervals {
	if f == nil {
		return Intervals{problem: errors.New("Func is nil: give it a function")}
	}
	return Intervals{compute: f, text: "by a function"}
}

func intervals(text string, all ...time.Duration) Intervals {
	errs := make([]error, 0, len(all))
	for _, d := range all {
		errs = append(errs, option.NotNegative("a delay", d))
	}
	return Intervals{all: slices.Clone(all), text: text, problem: errors.Join(errs...)}
}

// check says why they cannot be a schedule.
func (s Intervals) check() error {
	if s.problem == nil && s.text == "" {
		return errors.New("Intervals is empty: make it with Fixed, List, Exponential or Func")
	}
	return s.problem
}

// delay is the delay of a retry, numbered from 1.
func (s Intervals) delay(attempt int, msg processor.Message) time.Duration {
	if s.compute != nil {
		return max(s.compute(attempt, msg), 0)
	}
	return s.all[min(attempt, len(s.all))-1]
}

// String is the schedule in words.
func (s Intervals) String() string { return s.text }
