package delay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Strategy readies delays for the messages of one work queue. all lists every delay that
// will be asked for, and nil says that it is not known: delays are computed, or asked for
// by handlers. An error says why the strategy cannot have them, and what to change.
type Strategy func(queue string, all []time.Duration) (Delayer, error)

// Delayer hands messages to a broker that are to come to a work queue later. Its methods
// may be called by many goroutines at once.
type Delayer interface {
	// Topology lists what has to be declared: not the work queue itself.
	Topology() broker.Topology
	// Delay publishes e through p, so that it comes to the work queue when d has passed,
	// and not earlier by more than a fraction of a millisecond: RabbitMQ counts time in
	// whole ones. It returns nil when the broker has it, as Publish does, and p's error
	// otherwise, with a hint if it is [processor.ErrUnroutable]: the topology is missing.
	// It returns [ErrTooLong], and nothing is published, if d is longer than the longest
	// delay there is. A d of 0 or less is none. e's headers are not changed.
	Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error
	// Waits is how often a message with these headers has waited here, as x-death has
	// it: a sender's claim, never negative.
	Waits(h processor.Headers) int64
	// String names the strategy, for a description.
	String() string
}

// ErrTooLong: a delay is longer than the longest there is; see [TooLongError].
var ErrTooLong = errors.New("the delay is longer than the longest there is")

// TooLongError is the error of a delay that is longer than the longest there is. It is
// [ErrTooLong].
type TooLongError struct {
	Asked, Longest time.Duration
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("delay: %v: %v asked for, %v is the longest", ErrTooLong, e.Asked, e.Longest)
}

// Is makes it [ErrTooLong].
func (e *TooLongError) Is(target error) bool { return target == ErrTooLong }
