package backoff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// HeaderBackoffs holds the number of retries so far. Those by the nth [Policy], from 1, are also
// counted in a header of this name with -n at its end.
const HeaderBackoffs = republish.HeaderBackoffs

// New returns a middleware that delivers failed messages to queue, from which they were taken,
// again later, through publisher. By default it does so for every error, after 1, 2, 3, 5, 8, 13,
// 21, 34 and then 55 seconds, at most 20 times. It is safe for concurrent use and allocates nothing
// on success. A message of another queue is requeued there when it fails: each queue needs its
// own layer.
//
// The stack refuses a publisher that is nil, or that is a [processor.Checker] whose Check fails,
// options that cannot work, delays that the strategy refuses, and delays whose topology the
// publisher cannot have declared ([broker.TopologyChecker]). Declare the delays in the broker: see
// [Topology].
func New(publisher processor.Publisher, queue string, opts ...Option) processor.Middleware {
	c, err := configure(queue, opts)
	if err = errors.Join(option.Sender("backoff: the publisher", publisher), err); err == nil {
		err = checkPlace(publisher, c.delayer)
	}
	if err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &backoff{config: c, Layer: republish.Layer{Next: next, Sender: republish.Sender{
			Name: "backoff", Publisher: publisher, KeepTrying: c.keepTrying, Log: c.log,
		}}}
	}
}

type backoff struct {
	republish.Layer
	*config
}

var (
	_ stack.Layer     = (*backoff)(nil)
	_ stack.Wrapper   = (*backoff)(nil)
	_ stack.Describer = (*backoff)(nil)
	_ stack.Predictor = (*backoff)(nil)
	_ stack.Caser     = (*backoff)(nil)

	_ processor.Checker     = (*backoff)(nil)
	_ broker.TopologyNeeder = (*backoff)(nil)
)

// Check refuses a second backoff layer among the inner ones, and in the branches of a mux, if visible.
func (b *backoff) Check() error {
	for p := range stack.Within(b.Next) {
		if _, ok := p.(*backoff); ok {
			return errors.New("backoff: two layers have one count, and the retries of one would use up those of the other: make one layer of them, with a Policy for each")
		}
	}
	return nil
}

// Process runs the inner layers, and publishes the message for a later delivery if they fail.
func (b *backoff) Process(ctx context.Context, msg processor.Message) error {
	decision, failed, err := b.Run(ctx, msg)
	switch {
	case !failed:
		return err
	case decision.Action == processor.Rejected:
		return b.rejected(ctx, msg, err)
	default:
		return b.failed(ctx, msg, failure{err, decision.After})
	}
}

// rejected parks a message that must not be retried, if there is a park destination.
func (b *backoff) rejected(ctx context.Context, msg processor.Message, err error) error {
	if b.final == nil {
		return err
	}
	if processor.CutShort(ctx) {
		return processor.Requeue(err)
	}
	r := b.retry(msg, &b.top)
	r.done = r.total
	return b.park(ctx, r, err)
}

// failed publishes the next attempt, or parks the message.
func (b *backoff) failed(ctx context.Context, msg processor.Message, f failure) error {
	if processor.CutShort(ctx) {
		return processor.Requeue(f.err)
	}
	p, problem := b.pick(f)
	if problem != nil {
		return processor.Requeue(problem)
	}
	if p == nil {
		return b.rejected(ctx, msg, f.err)
	}
	r := b.retry(msg, p)
	if r.isLast() {
		return b.expired(ctx, r, f.err)
	}
	if from := msg.Origin().Queue; from != "" && from != b.queue {
		return processor.Requeue(fmt.Errorf("backoff: the message is from the queue %q, and what is delayed comes to %q: "+
			"give New the name of the queue that is consumed; it had failed with: %w", from, b.queue, f.err))
	}
	if r.delay, problem = b.delay(r, f); problem != nil {
		return processor.Requeue(problem)
	}
	return b.again(ctx, r, f.err)
}

// failure is why a message failed, and the delay that it requests, if any.
type failure struct {
	err   error
	after time.Duration
}
