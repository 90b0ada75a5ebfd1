package broker

import (
	"context"
	"errors"

	"github.com/gowarren/warren/processor"
)

// Broker is one message broker, or a connection to one. Its methods may be called by
// many goroutines at once.
type Broker interface {
	// Declare creates the parts of t that do not exist yet. It is idempotent. A part
	// that exists with other arguments is an error that names both and wraps
	// [ErrMismatch]; it stays unchanged.
	Declare(ctx context.Context, t Topology) error
	// Source returns a source of the messages of queue. It does nothing until it is
	// subscribed to.
	Source(queue string) Source
	// Publisher returns the broker's publisher. It is mandatory and confirmed: see
	// [processor.Publisher].
	Publisher() processor.Publisher
	// Close ends all subscriptions and publishes and frees all resources. Unsettled messages
	// go back to their queues. It works twice, and returns when ctx ends.
	Close(ctx context.Context) error
}

// Counter is implemented by brokers that can count.
type Counter interface {
	// Ready returns how many messages of queue are ready to be delivered: neither
	// expired nor delivered to a consumer.
	Ready(ctx context.Context, queue string) (int, error)
}

// Redeclarer is implemented by brokers that can declare a topology for a limited time.
type Redeclarer interface {
	// Redeclare creates the parts of t that do not exist yet, as [Broker.Declare] does, and
	// restarts the time after which an existing queue expires ([Queue.Expires]).
	// t is not declared again on new channels.
	Redeclare(ctx context.Context, t Topology) error
}

// CheckTopology says why t cannot be declared where p publishes to, as far as p, or a publisher
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
	// CheckTopology says why t cannot be declared, and what to change.
	CheckTopology(t Topology) error
}
