package republish

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Layer is what the layers have in common that retry. Each embeds it.
type Layer struct {
	Sender Sender
	Next   processor.Processor
}

// Name is the processor's.
func (l *Layer) Name() string { return l.Sender.Name }

// Role is [stack.Retries].
func (*Layer) Role() stack.Role { return stack.Retries }

// Unwrap returns the inner layers.
func (l *Layer) Unwrap() processor.Processor { return l.Next }

// Run runs the inner layers. It reports whether they failed in a way that the layer is to deal
// with, by retrying or parking the message. If not, the error is what the layer returns.
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

// Copied is the result for a message that failed with err, now that the broker has a copy: it is
// to be acked. What is not as usual is an error all the same, so that somebody sees it, and a
// wish to end the run stands.
func Copied(err error) error {
	if IsUnsent(err) || processor.Decide(err).Stop {
		return processor.Drop(err)
	}
	return nil
}
