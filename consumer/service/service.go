package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/publisher/identity"
)

// ErrRan is returned by Run of a service that has run before: its broker may be closed. Make a new one.
var ErrRan = errors.New("the service runs or has run")

// Service runs handlers on one broker. Make one with [New]. Its methods may be called by many goroutines
// at once.
type Service struct {
	*shared
	publisher processor.Publisher
	topology  broker.Topology
	lives     []*life
	drops     []error
	ran       atomic.Bool
}

// Run makes a service and runs it: see [New] and [Service.Run].
func Run(ctx context.Context, b broker.Broker, opts ...Option) error {
	c, err := configure(opts)
	s, err := build(b, c, err)
	if err == nil {
		return s.Run(ctx)
	}
	if c.own && !missing(b) {
		err = errors.Join(err, closeBroker(ctx, b))
	}
	return err
}

// New returns a service of the handlers among opts on b. Nothing is declared or consumed before [Service.Run]. The
// error has everything that is wrong with the options and handlers. Without handlers it can only send.
func New(b broker.Broker, opts ...Option) (*Service, error) {
	c, err := configure(opts)
	return build(b, c, err)
}

// build makes a service, unless its options are wrong.
func build(b broker.Broker, c *config, wrong error) (*Service, error) {
	if missing(b) {
		wrong = errors.Join(errors.New("service: the broker is nil: pass an open one"), wrong)
	}
	if wrong != nil {
		return nil, wrong
	}
	parts, whole, err := c.plan()
	if err != nil {
		return nil, err
	}
	publisher, err := identity.New(b.Publisher(), c.identity...)
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	s := &Service{shared: newShared(c, b), publisher: publisher, topology: whole}
	if len(parts) == 0 {
		if s.drain, err = drainTimeout(b, c.consumers); err != nil {
			return nil, fmt.Errorf("service: Consumers: %w", err)
		}
	}
	var errs []error
	for _, p := range parts {
		errs = append(errs, s.add(p))
	}
	for _, b := range c.beside {
		s.lives = append(s.lives, newLife(s.shared, b.name, b.once))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// add adds a handler, if its consumer can be had.
func (s *Service) add(p part) error {
	c, err := p.newConsumer(s.broker, p.pipeline, s.consumers)
	if err != nil {
		return p.wrong(err)
	}
	s.drain = max(s.drain, c.DrainTimeout())
	if err := needs.Drops(p.topology.Queues[0], p.pipeline); err != nil {
		s.drops = append(s.drops, err)
	}
	s.lives = append(s.lives, newLife(s.shared, p.Queue.Name, p.consume))
	return nil
}

// drainTimeout is that of a consumer with these options, for a service whose parts all run beside.
func drainTimeout(b broker.Broker, opts []consumer.Option) (time.Duration, error) {
	pipeline, err := stack.New().ThenFunc(func(context.Context, processor.Message) error { return nil })
	if err != nil {
		return 0, err
	}
	c, err := consumer.New(b.Source(""), pipeline, opts...)
	if err != nil {
		return 0, err
	}
	return c.DrainTimeout(), nil
}

// Topology returns all that the service declares, for a plan of it.
func (s *Service) Topology() broker.Topology { return s.topology }

// Publisher returns the broker's publisher, which gives each message an id, a time and the name of the
// application if it has none ([identity.New]). It works before, during and after a run, until the broker is closed.
func (s *Service) Publisher() processor.Publisher { return s.publisher }

// Send publishes a message by [Service.Publisher].
func (s *Service) Send(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	return s.publisher.Publish(ctx, to, e)
}

// Run declares, verifies, and runs all handlers until ctx ends, a signal comes, or all have ended. See the package
// documentation. It returns nil after a regular end, and otherwise the errors of the handlers that have failed. A
// service runs once.
//
// It returns within the drain timeout and 5 s after it was asked to end, whatever hangs, and 4 s more if it owns
// the broker.
func (s *Service) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return fmt.Errorf("service: %w", ErrRan)
	}
	if s.own {
		defer s.close(ctx)
	}
	if len(s.lives) == 0 {
		return errors.New("service: there is no handler to run: add one, or use Send without Run")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.intake, cancel)() //nolint:contextcheck // End, Abort and signals end this one
	defer listen(s.signals, s.first, s.second)()
	return s.run(ctx)
}

func (s *Service) run(ctx context.Context) error {
	log := s.logger()
	for _, drop := range s.drops {
		log.LogAttrs(ctx, slog.LevelWarn, "messages may be dropped", logattr.Err(drop))
	}
	if err := s.prepare(ctx); err != nil {
		if ctx.Err() != nil && callback.Is(err, ctx.Err()) {
			return nil // asked to end before it began
		}
		return fmt.Errorf("service: start: %w", err)
	}
	stop := context.AfterFunc(ctx, func() {
		for _, l := range s.lives {
			l.drains()
		}
	})
	defer stop()
	errs := make([]error, len(s.lives))
	var running sync.WaitGroup
	for i, l := range s.lives {
		running.Go(func() {
			if err := l.live(stack.WithProcess(ctx, process{l, ctx, s})); err != nil {
				errs[i] = fmt.Errorf("service: handler %q: %w", l.name, err)
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// prepare declares all and verifies it.
func (s *Service) prepare(ctx context.Context) error {
	if err := s.declare(ctx, s.topology); err != nil || s.verify == nil {
		return err
	}
	if err := heeding(ctx, grace, func() error { return s.verify(ctx, s.topology) }); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// End asks the service to end, as the end of Run's context does: it drains. It does not wait. A service that has
// not begun ends as soon as it runs.
func (s *Service) End() { s.end() }

// Abort ends the service, and the context of the messages in flight at once: they are requeued. It does not
// wait.
func (s *Service) Abort() {
	s.end()
	s.abort()
	for _, l := range s.lives {
		l.abort()
	}
}

// first ends the service on a signal.
func (s *Service) first(sig os.Signal) {
	s.end()
	s.logger().Info("signal received, the service ends after the messages in flight; another one cuts them short",
		slog.String("signal", sig.String()))
}

// second aborts it on another one.
func (s *Service) second(sig os.Signal) {
	s.Abort()
	s.logger().Warn("second signal received, the messages in flight are cut short; another one ends the process",
		slog.String("signal", sig.String()))
}

// close closes the broker. That it cannot be closed cleanly is no failure of the service: nothing is lost, since
// a broker requeues what a lost connection held.
func (s *Service) close(ctx context.Context) {
	if err := closeBroker(ctx, s.broker); err != nil {
		s.logger().LogAttrs(ctx, slog.LevelWarn, "broker not closed cleanly", logattr.Err(err))
	}
}

func closeBroker(ctx context.Context, b broker.Broker) error {
	if err := patience.Within(ctx, closeTimeout, b.Close); err != nil {
		return fmt.Errorf("service: close the broker: %w", err)
	}
	return nil
}
