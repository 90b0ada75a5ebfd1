// Package option applies functional options, and checks their values.
package option

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/processor"
)

// Apply calls each option with c. A nil option is an error that names the package and
// its place; those after it are not applied.
func Apply[C any, O ~func(*C)](name string, c *C, opts []O) error {
	for i, o := range opts {
		if o == nil {
			return fmt.Errorf("%s: option %d is nil: leave it out", name, i+1)
		}
		o(c)
	}
	return nil
}

// Positive returns an error if d is not more than 0, or seems to lack its unit ([Unit]).
func Positive(what string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s is %v: it must be positive", what, d)
	}
	return Unit(what, d, time.Millisecond)
}

// NotNegative returns an error if d is less than 0, or seems to lack its unit ([Unit]).
func NotNegative(what string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s is %v: it must be 0 or more", what, d)
	}
	return Unit(what, d, time.Millisecond)
}

// Publisher returns an error if a publisher that was given to New is nil, or cannot work
// ([processor.Check]). The error begins with what it is.
func Publisher(what string, p processor.Publisher) error {
	if p == nil {
		return fmt.Errorf("%s is nil: pass the broker's Publisher()", what)
	}
	if problem := processor.Check(p); problem != nil {
		return fmt.Errorf("%s cannot work: %w", what, problem)
	}
	return nil
}

// Sender is [Publisher] for one whose messages are sent outside of any transaction.
func Sender(what string, p processor.Publisher) error {
	if err := Publisher(what, p); err != nil {
		return err
	}
	if processor.WithinTransaction(p) {
		return fmt.Errorf("%s writes into a transaction, and there is none here: pass the broker's Publisher()", what)
	}
	return nil
}

// Unit returns an error if d is more than 0 and less than least, which is nearly always a
// number without its unit: 300 for 300*time.Second. The error begins with what d is.
func Unit(what string, d, least time.Duration) error {
	if d <= 0 || d >= least {
		return nil
	}
	return fmt.Errorf("%s is %v: that is less than %v; was time.Second left out?", what, d, least)
}
