package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/publisher/identity"
)

// Option is a [Handler], or changes how the handlers run together.
type Option interface{ apply(c *config) }

func (h Handler) apply(c *config) { c.handlers = append(c.handlers, h) }

type setting func(*config)

func (s setting) apply(c *config) { s(c) }

type config struct {
	handlers  []Handler
	extra     broker.Topology
	declared  bool
	verify    func(context.Context, broker.Topology) error
	own       bool
	signals   []os.Signal
	together  bool
	restart   *restart
	consumers []consumer.Option
	beside    []beside
	identity  []identity.Option
	log       *slog.Logger
}

// size is how many there are to run.
func (c *config) size() int { return len(c.handlers) + len(c.beside) }

// beside is something else than a handler.
type beside struct {
	name string
	run  func(context.Context) error
}

// restart is when a failed handler is started again.
type restart struct{ first, most time.Duration }

// Topology adds to what is declared: queues without a handler, bindings with arguments. Given several times,
// all are added. Default: nothing.
func Topology(t broker.Topology) Option {
	return setting(func(c *config) { c.extra = c.extra.Merge(t) })
}

// Declared leaves the declaring to others: nothing is declared or bound, and a queue that does not exist
// fails the start. Default: all is declared.
func Declared() Option { return setting(func(c *config) { c.declared = true }) }

// Verify calls f with all that the service needs, after it is declared and before anything is consumed. An error
// of f fails the start. For RabbitMQ:
//
//	service.Verify(func(ctx context.Context, t broker.Topology) error {
//		report, err := verify.Topology(ctx, b, t)
//		if err != nil {
//			return err
//		}
//		return report.Err()
//	})
//
// Default: nothing is verified.
func Verify(f func(ctx context.Context, t broker.Topology) error) Option {
	return setting(func(c *config) { c.verify = f })
}

// OwnBroker closes the broker when Run returns, also if it fails at once. It takes at most 4 s, and is logged
// if it does not work: nothing is lost. Default: the caller closes it, after Run.
func OwnBroker() Option { return setting(func(c *config) { c.own = true }) }

// Signals sets the signals on which the service drains and ends, as if ctx had ended. The second one ends the
// context of the messages in flight at once: they are requeued. After that signals have their usual effect: a third
// one ends the process. With none, signals are left to the program, or to processors/signals; a test in a testing/synctest
// bubble needs that, since Go listens to no signals there. Default: SIGINT and SIGTERM.
func Signals(s ...os.Signal) Option {
	s = slices.Clone(s)
	return setting(func(c *config) { c.signals = s })
}

// StopTogether ends all handlers when one has failed. Default: the others go on.
func StopTogether() Option { return setting(func(c *config) { c.together = true }) }

// Restart starts a handler that has failed again, with a new pipeline: first waits that long, twice that
// after the next failure, and so on, at most most, which must not be less than first. Each wait is shortened by up to half, at random. A run of at least most
// begins anew with first. A handler whose broker is closed for good is not started again. It is refused beside [StopTogether]. Default: a handler that has failed
// stays as it is.
func Restart(first, most time.Duration) Option {
	return setting(func(c *config) { c.restart = &restart{first, most} })
}

// Consumers sets options for the consumers of all handlers, such as [consumer.DrainTimeout] and
// [consumer.MessageContext]. Default: none.
func Consumers(opts ...consumer.Option) Option {
	return setting(func(c *config) { c.consumers = append(c.consumers, opts...) })
}

// Beside runs f with the handlers, under a name that no queue and no other has: a relay of an outbox, a server for
// health, a reader of files, another consumer, whose limits of the process end the service ([stack.ProcessFrom]). It
// begins when all is declared, ends when ctx does, and is a handler otherwise: it has a state, fails, and is started
// again with [Restart]; but it counts as begun at once. After the end of ctx it may go on for as long as the drain
// timeout of the handlers, and is abandoned a second later, or a second after an abort. Given several times, each is
// run; a nil f, and a name that is taken, are errors of [New]. Default: none.
func Beside(name string, f func(ctx context.Context) error) Option {
	return setting(func(c *config) { c.beside = append(c.beside, beside{name, f}) })
}

// Identity sets options for the ids of the messages that the service sends ([Service.Send]), such as
// [identity.AppID]. Default: none.
func Identity(opts ...identity.Option) Option {
	return setting(func(c *config) { c.identity = append(c.identity, opts...) })
}

// Logger sets where the service logs, and the consumers of its handlers unless they have a logger. Default,
// also for nil: slog.Default() when it runs.
func Logger(l *slog.Logger) Option { return setting(func(c *config) { c.log = l }) }

// configure applies the options, and returns what is wrong with them.
func configure(opts []Option) (*config, error) {
	c := &config{signals: []os.Signal{syscall.SIGINT, syscall.SIGTERM}}
	var errs []error
	for i, o := range opts {
		if isNil(o) {
			errs = append(errs, fmt.Errorf("service: option %d is nil: leave it out", i+1))
			continue
		}
		o.apply(c)
	}
	if c.log != nil {
		c.consumers = append([]consumer.Option{consumer.Logger(c.log)}, c.consumers...)
	}
	return c, errors.Join(append(errs, c.check())...)
}

func isNil(o Option) bool {
	s, ok := o.(setting)
	return o == nil || ok && s == nil
}

func (c *config) check() error {
	var errs []error
	if c.together && c.restart != nil {
		errs = append(errs, errors.New("service: StopTogether and Restart are both set: keep one of them"))
	}
	if r := c.restart; r != nil {
		errs = append(errs, option.Positive("service: the first wait of Restart", r.first))
		if r.most < r.first {
			errs = append(errs, fmt.Errorf("service: Restart(%v, %v): the longest wait is below the first", r.first, r.most))
		}
	}
	for i, s := range c.signals {
		if s == nil || s == os.Kill {
			errs = append(errs, fmt.Errorf("service: signal %d is nil, or no process can listen to it: leave it out", i+1))
		}
	}
	return errors.Join(append(errs, c.checkHandlers())...)
}

// checkHandlers finds those that have no queue, or that of another one.
func (c *config) checkHandlers() error {
	var errs []error
	seen := map[string]int{}
	for i, h := range c.handlers {
		name := h.Queue.Name
		if name == "" {
			errs = append(errs, fmt.Errorf("service: handler %d has no queue: give its Queue a Name", i+1))
			continue
		}
		if first, twice := seen[name]; twice {
			errs = append(errs, fmt.Errorf("service: handlers %d and %d both have the queue %q: "+
				"each message would go to one of them; make one handler of them, with a mux if they tell messages apart",
				first, i+1, name))
			continue
		}
		seen[name] = i + 1
	}
	for _, b := range c.beside {
		if _, twice := seen[b.name]; twice || b.name == "" || b.run == nil {
			errs = append(errs, fmt.Errorf("service: Beside(%q): give it a function, and a name of its own", b.name))
		}
		seen[b.name] = 0
	}
	return errors.Join(errs...)
}

// missing reports whether b is nil, also as a pointer.
func missing(b broker.Broker) bool {
	v := reflect.ValueOf(b)
	return b == nil || v.Kind() == reflect.Pointer && v.IsNil()
}
