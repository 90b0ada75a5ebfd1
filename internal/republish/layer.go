package republish

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Layer is embedded by each layer that retries.
type Layer struct {
	Sender Sender
	Next   processor.Processor
}

// Name is the name of the processor.
func (l *Layer) Name() string { return l.Sender.Name }

// Role is [stack.Retries].
func (*Layer) Role() stack.Role { return stack.Retries }

// Unwrap returns the inner layers.
func (l *Layer) Unwrap() processor.Processor { return l.Next }

// Run runs the inner layers. It reports whether they failed such that the layer has to retry or
// park the message. If not, the layer returns the error.
func (l *Layer) Run(ctx context.Context, msg processor.Message) (d processor.Decision, failed bool, err error) {
	if err = l.Next.Process(ctx, msg); err == nil {
		return d, false, nil
	}
	d = processor.Decide(err)
	switch {
	case d.Action != processor.Failed && d.Action != processor.Rejected:
		return d, false, err
	case msg.Settled():
		return d, false, fmt.Errorf("%s: nothing is published, the handler has settled the message itself: %w; it had failed with: %w",
			l.Sender.Name, processor.ErrSettled, err)
	}
	return d, true, err
}

// Copied is the result for a message that failed with err, now that the broker has a copy: the
// message is acked. Unusual events are still errors, for the log, and a stop of the run is kept.
func Copied(err error) error {
	if IsUnsent(err) || processor.Decide(err).Stop {
		return processor.Drop(err)
	}
	return nil
}

// Tell says to an outer layer that asks what has become of a message that failed with err.
func Tell(ctx context.Context, parked bool, err error) {
	if parked {
		stack.Parked(ctx, err)
	} else {
		stack.Retried(ctx)
	}
}
