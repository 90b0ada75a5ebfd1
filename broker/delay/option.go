package delay

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
)

// The defaults of [Unit] and [Longest]: a ladder of 24 levels.
const (
	DefaultUnit    = 100 * time.Millisecond
	DefaultLongest = 12 * 24 * time.Hour
)

// Option changes the queues of a strategy. A strategy refuses options that it does not have.
type Option func(*config)

type config struct {
	classic   bool
	maxLength int
	unit      time.Duration
	longest   time.Duration
	given     []string // names of the options
}

// Classic makes the queues classic ones, which live on one node. They drop a message
// whose target is missing or full, and messages that they are dead-lettering when the
// broker dies; with a quorum work queue also those whose delay ends while a node restarts.
// Default: quorum queues, which keep them.
func Classic() Option {
	return func(c *config) { c.classic, c.given = true, append(c.given, "Classic") }
}

// MaxLength bounds how many messages each queue holds. A full one refuses more: Delay
// returns [processor.ErrRefused]. A quorum queue may hold some more before it does. The
// bound becomes part of the queues' names. Default, also for 0: no bound.
func MaxLength(n int) Option {
	return func(c *config) { c.maxLength, c.given = n, append(c.given, "MaxLength") }
}

// Unit sets the unit of a [Ladder], in whole milliseconds: delays are rounded up to multiples of
// it. It becomes part of the names: services with the same unit share a ladder. Half the unit is
// one level more. Default: 100 ms.
func Unit(d time.Duration) Option {
	return func(c *config) { c.unit, c.given = d, append(c.given, "Unit") }
}

// Longest sets the longest delay that a [Ladder] must have, up to ten years: it gets as
// many levels as that takes. Twice as long is one level more. Default: 12 days.
func Longest(d time.Duration) Option {
	return func(c *config) { c.longest, c.given = d, append(c.given, "Longest") }
}

// tenYears is the longest that a message may wait in a queue of RabbitMQ.
const tenYears = 10 * 365 * 24 * time.Hour

// newConfig applies opts, of which a strategy takes those named.
func newConfig(strategy string, opts []Option, takes ...string) (config, error) {
	c := config{unit: DefaultUnit, longest: DefaultLongest}
	if err := option.Apply("delay", &c, opts); err != nil {
		return c, err
	}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("delay: "+format, args...)) }
	for _, name := range c.given {
		if !slices.Contains(takes, name) {
			fail("%s has no use for the option %s: leave it out", strategy, name)
		}
	}
	if c.maxLength < 0 {
		fail("MaxLength is %d: it must be 0 (no bound) or more", c.maxLength)
	}
	if c.unit < time.Millisecond || c.unit%time.Millisecond != 0 {
		fail("Unit is %v: it must be a whole number of milliseconds, at least 1", c.unit)
	}
	if c.longest < c.unit || c.longest > tenYears {
		fail("Longest is %v: it must be at least the unit, %v, and at most ten years", c.longest, c.unit)
	}
	return c, errors.Join(errs...)
}

// kind is the type of the queues.
func (c config) kind() broker.QueueType {
	if c.classic {
		return broker.Classic
	}
	return broker.Quorum
}

// bound is the part of a name for the bound.
func (c config) bound() string {
	if c.maxLength == 0 {
		return ""
	}
	return ".max" + strconv.Itoa(c.maxLength)
}

// about is the end of a description.
func (c config) about() string {
	if c.maxLength == 0 {
		return string(c.kind())
	}
	return fmt.Sprintf("%s, at most %d messages each", c.kind(), c.maxLength)
}
