// Package timeout limits how long a message may be processed, by ending the context of the inner
// layers. A message that takes too long has failed and can be retried. Without this layer the
// broker's consumer timeout would close the channel, with all other messages on it.
//
// Put it inside ack and retry, which a stack enforces: outside them a message that takes too long
// looks cut short by the end of the run where the runner has not said which context is the message's own, as a
// router of Watermill. Inside instantretry the limit is that of each try,
// outside of all together, with their pauses.
//
//	stack.New(ack.New(), retry.New(...), timeout.New(time.Minute), recovery.New())
//
// A handler ends by heeding its context. One that ignores it cannot be ended: its worker waits for
// it, and when it returns more than a second late, that is logged at level warn. Its result still
// counts: nil is a success.
package timeout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ErrTimeout is wrapped by the cause of a context that ended at the limit, and by the error of a
// handler that failed after it.
var ErrTimeout = errors.New("timeout: the message took too long")

// DefaultBrokerTimeout is RabbitMQ's default for consumer_timeout.
const DefaultBrokerTimeout = 30 * time.Minute

// grace is how late a handler that heeds its context may be.
const grace = time.Second

// Option changes what is checked and logged about the limit.
type Option func(*config)

type config struct {
	limit  time.Duration
	broker time.Duration
	log    *slog.Logger
}

// BrokerTimeout sets how long the broker waits for a settlement before it closes the channel:
// RabbitMQ's consumer_timeout. A limit that is not below it is logged at level warn when the run
// starts. The check knows this limit only: in-place retries and waits are extra. Default: 30
// minutes. 0 turns the check off.
func BrokerTimeout(d time.Duration) Option { return func(c *config) { c.broker = d } }

// Logger sets where a limit that is too long, and a handler that ignores its context, are logged,
// both at level warn. Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the context of the inner layers after limit. The error of a
// handler that fails after that wraps both [ErrTimeout] and its own error, whose decision stands;
// one that succeeds has succeeded. If the layer's own context ends first, it adds nothing.
//
// It is safe for concurrent use. It allocates a context and a timer for each message. The stack
// refuses a limit below a millisecond, a broker timeout below one unless it is 0, and a nil option.
func New(limit time.Duration, opts ...Option) processor.Middleware {
	c := config{limit: limit, broker: DefaultBrokerTimeout}
	if err := option.Apply("timeout", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &timeout{config: c, cause: fmt.Errorf("%w: over %v", ErrTimeout, limit), next: next}
	}
}

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if c.limit <= 0 {
		errs = append(errs, fmt.Errorf("timeout: the limit is %v: it must be positive; to have none, leave the layer out", c.limit))
	}
	errs = append(errs, option.Unit("timeout: the limit", c.limit, time.Millisecond),
		option.NotNegative("timeout: BrokerTimeout", c.broker))
	return errors.Join(errs...)
}

type timeout struct {
	config
	cause error // of the contexts that this layer ends, and of no others
	next  processor.Processor
}

var (
	_ stack.Layer     = (*timeout)(nil)
	_ stack.Wrapper   = (*timeout)(nil)
	_ stack.Describer = (*timeout)(nil)
	_ stack.Predictor = (*timeout)(nil)
	_ stack.Starter   = (*timeout)(nil)
)

// Name is "timeout".
func (*timeout) Name() string { return "timeout" }

// Role is [stack.Limits].
func (*timeout) Role() stack.Role { return stack.Limits }

// Unwrap returns the inner layers.
func (t *timeout) Unwrap() processor.Processor { return t.next }

// Settings returns the limit and those of the options.
func (t *timeout) Settings() []stack.Setting {
	broker := "off"
	if t.broker > 0 {
		broker = t.broker.String()
	}
	return []stack.Setting{{Name: "limit", Value: t.limit.String()}, {Name: "broker timeout", Value: broker}}
}

// Predict turns what takes too long into an error.
func (*timeout) Predict(o stack.Outcome) stack.Outcome {
	if o.Hangs {
		o.Hangs, o.Action = false, processor.Failed
	}
	return o
}

// Start warns of a limit not below the broker's.
func (t *timeout) Start(ctx context.Context) error {
	if t.broker > 0 && t.limit >= t.broker {
		logattr.Or(t.log).LogAttrs(ctx, slog.LevelWarn,
			"the limit for a message is not below the broker's timeout, at which the broker closes the channel: lower the limit, or set BrokerTimeout",
			slog.Duration("limit", t.limit), slog.Duration("broker_timeout", t.broker))
	}
	return nil
}

// Process runs the inner layers under a context that ends at the limit.
func (t *timeout) Process(ctx context.Context, msg processor.Message) error {
	limited, cancel := context.WithTimeoutCause(ctx, t.limit, t.cause)
	defer cancel()
	err := t.next.Process(limited, msg)
	if context.Cause(limited) != t.cause { //nolint:errorlint // another timeout layer has a cause of its own
		return err
	}
	t.reportLate(limited, msg, err)
	if processor.Decide(err).Action == processor.Done {
		return err
	}
	return &exceeded{t.cause, err}
}

// reportLate logs a handler that went on after the end of its context.
func (t *timeout) reportLate(limited context.Context, msg processor.Message, err error) {
	deadline, _ := limited.Deadline()
	late := time.Since(deadline)
	if late <= grace {
		return
	}
	logattr.Or(t.log).LogAttrs(limited, slog.LevelWarn, "the handler returned long after its context had ended",
		append(logattr.Of(msg, err), slog.Duration("limit", t.limit), slog.Duration("late", late))...)
}

// exceeded is the error of a message that failed after its limit. Making it calls no method of err,
// which may be a handler's and panic.
type exceeded struct{ cause, err error }

func (e *exceeded) Error() string   { return fmt.Sprintf("%v: %v", e.cause, e.err) }
func (e *exceeded) Unwrap() []error { return []error{e.cause, e.err} }
