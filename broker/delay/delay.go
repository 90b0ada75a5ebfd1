package delay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Strategy makes the [Delayer] of one work queue. all lists every delay that will be used; nil
// means that they are not known, because they are computed or chosen by handlers. An error says
// why the strategy cannot have these delays, and what to change.
type Strategy func(queue string, all []time.Duration) (Delayer, error)

// Delayer publishes messages so that they reach a work queue later. Its methods
// may be called by many goroutines at once.
type Delayer interface {
	// Topology lists what has to be declared, without the work queue itself.
	Topology() broker.Topology
	// Delay publishes e through p, so that it reaches the work queue when d has passed,
	// and not earlier by more than a fraction of a millisecond: RabbitMQ counts time in
	// whole ones. It returns nil when the broker has the message, as Publish does, and p's error
	// otherwise, with a hint if it is [processor.ErrUnroutable]: the topology is missing.
	// It returns [ErrTooLong], and publishes nothing, if d is longer than the longest
	// delay. A d of 0 or less is no delay. e's headers are not changed.
	Delay(ctx context.Context, p processor.Publisher, e processor.Envelope, d time.Duration) error
	// Waits is how often a message with these headers has waited here, by x-death: a sender's
	// claim, never negative.
	Waits(h processor.Headers) int64
	// String names the strategy, for a description.
	String() string
}

// ErrTooLong: a delay is longer than the longest of the strategy; see [TooLongError].
var ErrTooLong = errors.New("the delay is longer than the longest there is")

// TooLongError is [ErrTooLong] with the delays.
type TooLongError struct {
	Asked, Longest time.Duration
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("delay: %v: %v asked for, %v is the longest", ErrTooLong, e.Asked, e.Longest)
}

// Is makes it [ErrTooLong].
func (e *TooLongError) Is(target error) bool { return target == ErrTooLong }
