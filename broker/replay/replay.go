package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Broker has the methods that [Run] needs.
type Broker interface {
	broker.Counter
	Source(queue string) broker.Source
	Publisher() processor.Publisher
}

// Counts say how far a run is.
type Counts struct {
	// Total is how many messages were in the queue, ready to be delivered, at the
	// beginning.
	Total int
	// Seen is the sum of the others. It may go down, when a run begins again with the
	// first message; see [HoldFor].
	Seen int
	// Moved were published to their destination, and acked. In a dry run they would be.
	Moved int
	// Left stay in the queue: the filter excludes them, or they have no allowed destination.
	Left int
	// Failed stay in the queue because the broker did not take them.
	Failed int
}

// Run moves the messages of queue to where route says, one by one and in their order. It
// returns when those that were there at the beginning have been seen: moved, left or
// failed. It does not wait for messages that come in meanwhile.
//
// The error says why the run could not go on; a message that failed is counted, and is no
// error. When ctx ends, the current message is finished, which takes up to 5 s if the
// broker hangs, and the error is ctx's. At the end messages that were not moved always go back,
// which takes 10 s at most. The counts are those at the end, whatever the error.
//
// Functions given to it are called by the goroutine that called Run; if one panics, all
// messages go back first.
func Run(ctx context.Context, b Broker, queue string, route Route, opts ...Option) (Counts, error) {
	c := config{holdFor: DefaultHoldFor, rate: processor.NoLimit, maxMessages: processor.NoLimit}
	if err := option.Apply("replay", &c, opts); err != nil {
		return Counts{}, err
	}
	if err := errors.Join(c.check(), required(b, queue, route)); err != nil {
		return Counts{}, err
	}
	r := &run{config: c, broker: b, publisher: b.Publisher(), queue: queue, route: route, pace: newPace(c.rate)}
	if err := r.all(ctx); err != nil {
		return r.counts, fmt.Errorf("replay: queue %q: %w", queue, err)
	}
	return r.counts, nil
}

func required(b Broker, queue string, route Route) error {
	if err := processor.Check(b); err != nil {
		return fmt.Errorf("replay: the broker, one of broker/rabbitmq or broker/memory, cannot work: %w", err)
	}
	switch {
	case queue == "":
		return errors.New("replay: the queue has no name: pass that of the parked queue")
	case route == nil:
		return errors.New("replay: the route is nil: pass ToQueue, ToOrigin, ToKey or To")
	}
	return nil
}
