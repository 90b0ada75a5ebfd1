// Package catch ends errors: it logs what the inner layers return and reports success,
// as Swarrot's ExceptionCatcherProcessor does.
//
// Put it outermost. Inside ack or retry it would ack and lose every failed message, and a stack
// refuses that order. A consumer of this library logs errors and goes on by itself and does not
// need it; a stack inside something that acts on errors, such as a Watermill router, may.
package catch

import (
	"context"
	"log/slog"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Option changes how errors are caught.
type Option func(*config)

// Logger sets where caught errors are logged, at level error, with texts that a sender may have
// written cut to a bounded size. Default, also for nil: slog.Default() at the time of the error.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that logs the error of the inner layers and returns nil. It is safe for
// concurrent use and allocates nothing on success.
//
// Some errors pass through: [processor.Requeue] or [processor.Release], the error of a message that
// was cut short ([processor.CutShort]), and a stop, as [processor.ErrStop]. Panics pass too; see
// recovery.
//
// The stack refuses a nil option.
func New(opts ...Option) processor.Middleware {
	var c config
	if err := option.Apply("catch", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &catch{config: c, next: next}
	}
}

type config struct{ log *slog.Logger }

type catch struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*catch)(nil)
	_ stack.Wrapper   = (*catch)(nil)
	_ stack.Predictor = (*catch)(nil)
)

// Name is "catch".
func (*catch) Name() string { return "catch" }

// Role is [stack.Catches].
func (*catch) Role() stack.Role { return stack.Catches }

// Unwrap returns the inner layers.
func (c *catch) Unwrap() processor.Processor { return c.next }

// Predict ends the error, as Process does.
func (*catch) Predict(o stack.Outcome) stack.Outcome {
	if o.Returns() && o.Case != stack.CaseShutdown && !goesBack(o.Action) {
		o.Action = processor.Done
	}
	return o
}

func goesBack(a processor.Action) bool { return a == processor.Requeued || a == processor.Released }

// Process runs the inner layers and ends their error.
func (c *catch) Process(ctx context.Context, msg processor.Message) error {
	err := c.next.Process(ctx, msg)
	if err == nil {
		return nil
	}
	d := processor.Decide(err)
	if goesBack(d.Action) || processor.CutShort(ctx) {
		return err
	}
	if d.Action != processor.Done {
		c.report(ctx, msg, err, d)
	}
	if d.Stop {
		return processor.ErrStop
	}
	return nil
}

func (c *catch) report(ctx context.Context, msg processor.Message, err error, d processor.Decision) {
	attrs := append(logattr.Of(msg, err), slog.String("decision", d.Action.String()))
	logattr.Or(c.log).LogAttrs(ctx, slog.LevelError, "message failed, error caught", attrs...)
}
