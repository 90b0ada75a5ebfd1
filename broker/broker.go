package broker

import (
	"context"
	"errors"

	"github.com/gowarren/warren/processor"
)

// Broker is one message broker, or a connection to one. Its methods may be called by
// many goroutines at once.
type Broker interface {
	// Declare creates what t lists and is not there yet. It is idempotent. Something
	// that exists with other arguments is an error that names both, wraps
	// [ErrMismatch], and changes nothing that exists.
	Declare(ctx context.Context, t Topology) error
	// Source returns a source of the messages of queue. It does nothing until it is
	// subscribed to.
	Source(queue string) Source
	// Publisher returns the broker's publisher. It is mandatory and confirmed: see
	// [processor.Publisher].
	Publisher() processor.Publisher
	// Close ends all subscriptions and publishes and lets go of everything. Messages
	// in hand go back to their queues. It works twice, and returns when ctx ends.
	Close(ctx context.Context) error
}

// Counter is implemented by brokers that can count.
type Counter interface {
	// Ready returns how many messages of queue are ready to be delivered: neither
	// expired nor in the hands of a consumer.
	Ready(ctx context.Context, queue string) (int, error)
}

// Redeclarer is implemented by brokers that can declare what is not to stay.
type Redeclarer interface {
	// Redeclare creates what t lists and is not there yet, as [Broker.Declare] does, and
	// starts the time anew after which a queue that is there expires ([Queue.Expires]).
	// It is not declared again on new channels.
	Redeclare(ctx context.Context, t Topology) error
}

// CheckTopology says why what t lists cannot be where p publishes to, as far as p, or a publisher
// that it decorates, is a [TopologyChecker] and knows.
func CheckTopology(p processor.Publisher, t Topology) error {
	var errs []error
	for d := range processor.Decorated(p) {
		if checker, ok := d.(TopologyChecker); ok {
			errs = append(errs, checker.CheckTopology(t))
		}
	}
	return errors.Join(errs...)
}

// TopologyChecker is implemented by publishers for which not everything can be declared.
// [CheckTopology] finds them.
type TopologyChecker interface {
	// CheckTopology says why what t lists cannot be there, and what to change.
	CheckTopology(t Topology) error
}
