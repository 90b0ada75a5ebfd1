// Package signals ends the run on a signal, as Swarrot's SignalHandlerProcessor does.
//
// Its place in the stack does not matter. The first signal ends the intake: messages in flight have
// the consumer's drain timeout to finish, and are settled. The second ends their context at once;
// they are requeued untouched. After that signals have their usual effect, unless other code in the
// process listens to them: a third one ends the process, as kill -9 would.
//
// Each stack with the layer listens to signals during a run: two consumers in one process both end. In a
// process that has said so, such as a service, one stack with the layer ends all ([stack.ProcessFrom]).
// The run returns nil.
//
// If the runner of the pipeline cannot be told to end ([stack.RunFrom]), the first signal makes the
// layer join a stop to the result of each message that finishes from then on, and return it when
// nothing arrives; the second ends the process. If the runner does not start the pipeline
// ([stack.Starter]), the layer does not listen.
//
// A program that gives the consumer the context of signal.NotifyContext needs no such layer, and
// has no second signal.
package signals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/gowarren/warren/internal/ending"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Option changes which signals the layer listens to.
type Option func(*config)

// Signals sets the signals that end the run, at least one. Default: SIGTERM, SIGINT and SIGQUIT, as
// in Swarrot. Leave SIGQUIT out to let it print the stacks of all goroutines and end the process,
// as in any Go program.
func Signals(s ...os.Signal) Option {
	return func(c *config) { c.signals = slices.Clone(s) }
}

// Logger sets where each signal and its effect are logged, at level info. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the run on a signal. It is safe for concurrent use, allocates
// nothing per message, and has one goroutine during a run. The stack refuses a nil option, and
// Signals with none, with nil, or with one that cannot be listened to.
func New(opts ...Option) processor.Middleware {
	c := config{signals: []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT}}
	if err := option.Apply("signals", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &signals{config: c, next: next}
	}
}

type config struct {
	signals []os.Signal
	log     *slog.Logger
}

func (c *config) check() error {
	if len(c.signals) == 0 {
		return errors.New("signals: Signals was given none: name those that end the run, or leave it out")
	}
	for i, s := range c.signals {
		switch s {
		case nil:
			return fmt.Errorf("signals: signal %d is nil: leave it out", i+1)
		case os.Kill:
			return errors.New("signals: no process can listen to SIGKILL: leave it out")
		}
	}
	return nil
}

type signals struct {
	config
	next processor.Processor

	listener atomic.Pointer[listener]
}

var (
	_ stack.Layer     = (*signals)(nil)
	_ stack.Wrapper   = (*signals)(nil)
	_ stack.Predictor = (*signals)(nil)
	_ stack.Describer = (*signals)(nil)
	_ stack.Starter   = (*signals)(nil)
	_ stack.Idler     = (*signals)(nil)
	_ stack.Stopper   = (*signals)(nil)
)

// Name is "signals".
func (*signals) Name() string { return "signals" }

// Role is "".
func (*signals) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (s *signals) Unwrap() processor.Processor { return s.next }

// Predict returns o unchanged.
func (*signals) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (s *signals) Settings() []stack.Setting {
	names := make([]string, len(s.signals))
	for i, sig := range s.signals {
		names[i] = name(sig)
	}
	return []stack.Setting{{Name: "signals", Value: strings.Join(names, ", ")}}
}

// names are signals whose String is different, such as "terminated".
var names = map[os.Signal]string{
	syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGQUIT: "SIGQUIT", syscall.SIGTERM: "SIGTERM",
}

func name(s os.Signal) string {
	if known := names[s]; known != "" {
		return known
	}
	return s.String()
}

// Start begins to listen.
func (s *signals) Start(ctx context.Context) error {
	s.listener.Store(listen(ending.Of(ctx), s.config))
	return nil
}

// Stop ends listening.
func (s *signals) Stop(ctx context.Context) error {
	l := s.listener.Swap(nil)
	if l == nil {
		return nil
	}
	return l.close(ctx)
}

// Idle ends the run if the listener could not.
func (s *signals) Idle(context.Context) error { return s.listener.Load().join(nil) }

// Process passes the message on.
func (s *signals) Process(ctx context.Context, msg processor.Message) error {
	l := s.listener.Load()
	return l.join(s.next.Process(ctx, msg))
}
