package redelivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// HeaderDeliveries is the header in which a quorum queue counts how often a message has failed.
const HeaderDeliveries = "x-delivery-count"

// New returns a middleware that requeues failed messages, which their queue redelivers after a
// wait, and that publishes those that have failed too often to the queue parked, through publisher.
// It is safe for concurrent use and allocates nothing on success.
//
// The work queue is that of [Topology], which takes the same arguments.
//
// The stack refuses a publisher that is nil, or that is a [processor.Checker] whose Check fails,
// one that knows ([broker.TopologyChecker]) that the server does not wait, and options that cannot
// work.
func New(publisher processor.Publisher, parked string, opts ...Option) processor.Middleware {
	c, err := configure(parked, opts)
	if err = errors.Join(c.checkPublisher(publisher), err); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &redelivery{config: c, Layer: republish.Layer{Next: next, Sender: republish.Sender{
			Name: "redelivery", Publisher: publisher, KeepTrying: c.keepTrying, Log: c.log,
		}}}
	}
}

type redelivery struct {
	republish.Layer
	config
}

var (
	_ stack.Layer     = (*redelivery)(nil)
	_ stack.Wrapper   = (*redelivery)(nil)
	_ stack.Describer = (*redelivery)(nil)
	_ stack.Predictor = (*redelivery)(nil)
	_ stack.Caser     = (*redelivery)(nil)

	_ broker.TopologyNeeder = (*redelivery)(nil)
)

// Process runs the inner layers, and requeues or parks the message if they fail.
func (r *redelivery) Process(ctx context.Context, msg processor.Message) error {
	decision, failed, err := r.Run(ctx, msg)
	switch {
	case !failed:
		return err
	case processor.CutShort(ctx):
		return processor.Requeue(err)
	}
	failures := r.failures(msg)
	if decision.Action == processor.Failed && failures <= r.retries {
		retried, problem := callback.If("redelivery", r.filter, err)
		if problem != nil {
			return processor.Requeue(problem)
		}
		if retried {
			return processor.Requeue(&failedError{failures, r.retries, r.after(failures), err})
		}
	}
	return r.park(ctx, msg, failures, err)
}

// failures is how often msg has failed, including this time, from 1 to one more than the retries.
// At the first delivery it has not failed before: a count then is the sender's.
func (r *redelivery) failures(msg processor.Message) int {
	if !msg.Origin().Redelivered {
		return 1
	}
	n, _ := msg.Headers().Int64(HeaderDeliveries)
	return int(min(max(n, 0), int64(r.retries))) + 1
}

// park publishes the last copy.
func (r *redelivery) park(ctx context.Context, msg processor.Message, failures int, err error) error {
	to := processor.Destination{RoutingKey: r.parked}
	e := republish.Park(msg, republish.Failure{Err: err, At: time.Now(), Count: int64(failures), Stack: r.stack})
	if failures > 1 {
		delete(e.Headers, republish.HeaderFirstFailedAt) // not recorded
	}
	parked, err := r.Sender.Park(ctx, msg, to, e, err)
	if !parked {
		return processor.Requeue(err)
	}
	republish.Tell(ctx, true, err)
	logattr.Or(r.log).LogAttrs(ctx, slog.LevelError, "message failed, parked",
		append(logattr.Of(msg, err), slog.String("to", to.String()), slog.Int("failures", failures))...)
	return republish.Copied(err)
}

// failedError is a failure that is retried.
type failedError struct {
	failures, attempts int
	after              time.Duration
	err                error
}

func (e *failedError) Error() string {
	return fmt.Sprintf("failed, retry %d of %d in %v: %v", e.failures, e.attempts, e.after, e.err)
}

func (e *failedError) Unwrap() error { return e.err }
