// Package cleanup calls a function after each message, whatever its outcome: to reset services, to
// close what a handler left open, or to free memory. It replaces Swarrot's
// ServicesResetterProcessor, and with a suitable function its MemoryReset and Doctrine processors.
//
//	cleanup.New(func(ctx context.Context, _ processor.Message, err error) error {
//		return session.Reset(ctx)
//	})
//
// Put it outside recovery, so that it receives a panic as an error, and inside instantretry, so
// that each try starts clean.
//
// # Errors of the function
//
// They change nothing about the message: the function's error is logged, and that of the inner
// layers is returned. Only a stop is added: return [processor.Stop] if nothing should run after a
// failed cleanup. A panic of the function is an error like any other.
//
// # Panics
//
// The function also runs when the inner layers panic or call runtime.Goexit, with [ErrNoReturn].
// The panic then continues. A function that calls runtime.Goexit itself ends its worker.
package cleanup

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ErrNoReturn is what the function gets instead of an error when the inner layers did not
// return.
var ErrNoReturn = errors.New("cleanup: the inner layers did not return: a panic, or runtime.Goexit")

// DefaultTimeout is how long a cleanup may take unless [Timeout] says otherwise.
const DefaultTimeout = 5 * time.Second

// Func cleans up after msg, for which the inner layers have returned err: nil is success; see
// [processor.Decide] for others, and [ErrNoReturn]. It may be called concurrently and must not keep
// msg. ctx has the values of the message's context, but does not end with it.
type Func func(ctx context.Context, msg processor.Message, err error) error

// Option changes how the function is called.
type Option func(*config)

type config struct {
	timeout time.Duration
	log     *slog.Logger
}

// Timeout sets when the context of the function ends. It does not end with that of the message; a
// run that ends waits for a cleanup no longer than for a handler. Default: 5 s. At least a
// millisecond.
func Timeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// Logger sets where errors of the function are logged, at level error. Default, also for
// nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that calls f after the inner layers. It is safe for concurrent use. It
// allocates a context and a timer for each message. The stack refuses a nil function or option, and
// a timeout below a millisecond.
func New(f Func, opts ...Option) processor.Middleware {
	c := config{timeout: DefaultTimeout}
	if err := option.Apply("cleanup", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if f == nil {
		return stack.Invalid(errors.New("cleanup: the function is nil: pass what is to be done after each message"))
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &cleanup{config: c, f: f, next: next}
	}
}

func (c *config) check() error { return option.Positive("cleanup: Timeout", c.timeout) }

type cleanup struct {
	config
	f    Func
	next processor.Processor
}

var (
	_ stack.Layer     = (*cleanup)(nil)
	_ stack.Wrapper   = (*cleanup)(nil)
	_ stack.Predictor = (*cleanup)(nil)
	_ stack.Describer = (*cleanup)(nil)
)

// Name is "cleanup".
func (*cleanup) Name() string { return "cleanup" }

// Role is "".
func (*cleanup) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (c *cleanup) Unwrap() processor.Processor { return c.next }

// Predict returns o unchanged.
func (*cleanup) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (c *cleanup) Settings() []stack.Setting {
	return []stack.Setting{{Name: "timeout", Value: c.timeout.String()}}
}

// Process runs the inner layers, and then the function.
func (c *cleanup) Process(ctx context.Context, msg processor.Message) error {
	returned := false
	defer func() {
		if !returned { // no recover: the panic continues
			c.clean(ctx, msg, ErrNoReturn)
		}
	}()
	err := c.next.Process(ctx, msg)
	returned = true
	if c.clean(ctx, msg, err) {
		return errors.Join(err, processor.ErrStop)
	}
	return err
}

// clean calls the function, logs its error, and reports whether the run is to stop.
func (c *cleanup) clean(ctx context.Context, msg processor.Message, err error) (stop bool) {
	alive, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	problem := errGoexit
	defer func() { c.report(ctx, msg, problem) }()
	var failure error
	if problem = callback.Call("the function", func() { failure = c.f(alive, msg, err) }); problem == nil {
		problem = failure
	}
	return processor.Decide(problem).Stop
}

var errGoexit = errors.New("the function called runtime.Goexit")

// report logs a failure of the function.
func (c *cleanup) report(ctx context.Context, msg processor.Message, problem error) {
	if processor.Decide(problem).Action == processor.Done {
		return
	}
	attrs := logattr.Of(msg, problem)
	if p, ok := problem.(*callback.PanicError); ok { //nolint:errorlint // not one that an error of the function's wraps
		attrs = append(attrs, slog.String("stack", p.Stack))
	}
	logattr.Or(c.log).LogAttrs(ctx, slog.LevelError, "the cleanup after a message failed", attrs...)
}
