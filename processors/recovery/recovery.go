// Package recovery turns panics into errors, so that a message whose handler panics is handled like
// one that fails: retried, then parked.
//
// Put it innermost, next to the handler. Outside the retry and ack layers the panic would have
// bypassed them, and a stack refuses that order, unless there is another one inside: then the outer
// one is a safety net for the layers themselves.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ErrGoexit is the error of a handler that ended its goroutine with runtime.Goexit, as
// t.FailNow does.
var ErrGoexit = errors.New("recovery: the handler called runtime.Goexit")

// PanicError is the error of a handler that panicked. The message has failed and may be retried,
// whatever the value says: a handler that panics with [processor.ErrStop] or with an error that
// says drop has not dealt with its message. Only a stop in the value still counts, after the
// message.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any
	// Stack is the stack of the goroutine at that time, as debug.Stack prints it.
	Stack []byte
}

// Error returns the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("recovery: panic: %v", e.Value) }

// RemoteType is what a caller in another process sees as the type of the failure: remote.TypePanic.
func (e *PanicError) RemoteType() string { return "Panic" }

// StackTrace returns the stack as text.
func (e *PanicError) StackTrace() string { return string(e.Stack) }

// Unwrap returns the value if it is an error, so that errors.Is sees it.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Option changes what is recovered.
type Option func(*config)

// Goexit also recovers from runtime.Goexit, as [ErrGoexit], by running the inner layers in a
// goroutine of their own, one for each message. Default: off; a goroutine that exits ends its
// worker, and the consumer replaces the worker and requeues the message.
func Goexit() Option { return func(c *config) { c.isolate = true } }

// Logger sets where panics are logged, with their stack, at level error. Default, also
// for nil: slog.Default() at the time of the panic.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that turns a panic of the inner layers into a [*PanicError]. It is safe
// for concurrent use, and allocates nothing unless there is a panic. The stack refuses a nil
// option.
func New(opts ...Option) processor.Middleware {
	var c config
	if err := option.Apply("recovery", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &recovery{config: c, next: next}
	}
}

type config struct {
	isolate bool
	log     *slog.Logger
}

type recovery struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*recovery)(nil)
	_ stack.Wrapper   = (*recovery)(nil)
	_ stack.Describer = (*recovery)(nil)
	_ stack.Predictor = (*recovery)(nil)
)

// Name is "recovery".
func (*recovery) Name() string { return "recovery" }

// Role is [stack.Recovers].
func (*recovery) Role() stack.Role { return stack.Recovers }

// Unwrap returns the inner layers.
func (r *recovery) Unwrap() processor.Processor { return r.next }

// Settings returns those of the options.
func (r *recovery) Settings() []stack.Setting {
	return []stack.Setting{{Name: "goexit", Value: strconv.FormatBool(r.isolate)}}
}

// Predict turns a panic into an error.
func (*recovery) Predict(o stack.Outcome) stack.Outcome {
	if o.Panics {
		o.Panics, o.Action = false, processor.Failed
	}
	return o
}

// Process runs the inner layers and returns their panic as an error.
func (r *recovery) Process(ctx context.Context, msg processor.Message) error {
	if r.isolate {
		return r.inGoroutine(ctx, msg)
	}
	return r.run(ctx, msg)
}

func (r *recovery) run(ctx context.Context, msg processor.Message) (err error) {
	returned := false
	defer func() {
		// Not `recover() != nil`: with GODEBUG=panicnil=1 a panic(nil) would look
		// like success, and the message would be acked.
		if !returned {
			err = r.recovered(ctx, msg, recover())
		}
	}()
	err = r.next.Process(ctx, msg)
	returned = true
	return err
}

// recovered turns a panic value into an error. nil is a panic(nil), or a Goexit, which continues
// after the deferred call and never sees the error.
func (r *recovery) recovered(ctx context.Context, msg processor.Message, value any) error {
	if value == nil {
		return ErrGoexit
	}
	p := &PanicError{Value: value, Stack: debug.Stack()}
	// Logged here: a retry that follows turns the error into success.
	logattr.Or(r.log).LogAttrs(ctx, slog.LevelError, "the handler panicked",
		append(logattr.Of(msg, p), slog.String("stack", string(p.Stack)))...)
	// An explicit decision, so that one inside the value, to which PanicError unwraps, does not
	// count.
	return processor.RetryAfter(p, 0)
}

func (r *recovery) inGoroutine(ctx context.Context, msg processor.Message) error {
	result := make(chan error, 1)
	go func() {
		err := ErrGoexit
		defer func() { result <- err }()
		err = r.run(ctx, msg)
	}()
	return <-result
}
