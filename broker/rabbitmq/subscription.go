package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// subscription consumes one queue through one generation after another. One goroutine,
// supervise, owns the succession.
type subscription struct {
	broker   *Broker
	queue    string
	prefetch int

	current atomic.Pointer[generation]
	life    context.Context //nolint:containedctx // ends with Stop; no generation is opened after it
	end     context.CancelFunc
	stopped chan struct{} // closed when there will be no more messages
	done    chan struct{} // closed when supervise has returned

	stop     sync.Once // closes stopped
	err      error     // why the subscription broke; set before stopped is closed
	timedOut timedOut
	giveBack *task
	gaveBack atomic.Bool // giveBack has begun
	shut     *task
}

var _ broker.Subscription = (*subscription)(nil)

func newSubscription(b *Broker, queue string, prefetch int) *subscription {
	s := &subscription{
		broker: b, queue: queue, prefetch: prefetch,
		stopped: make(chan struct{}), done: make(chan struct{}),
		giveBack: newTask(), shut: newTask(), timedOut: newTimedOut(),
	}
	s.life, s.end = context.WithCancel(b.life)
	return s
}

// start opens the first generation within ctx.
func (s *subscription) start(ctx context.Context) error {
	// The first generation ends with the broker too, not only with the caller.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)() //nolint:contextcheck // two lives meet here

	g, err := s.open(ctx, 0)
	if err != nil {
		s.end()
		return err
	}
	s.current.Store(g)
	if !s.broker.background.start(s.supervise) {
		s.end()
		return errClosed
	}
	//nolint:contextcheck // not the caller's: Receive returns when the broker is closed
	context.AfterFunc(s.life, s.interrupt)
	return nil
}

// Receive waits for the next message of whichever generation is current.
func (s *subscription) Receive(ctx context.Context) (processor.Message, error) {
	for {
		g := s.current.Load()
		select {
		case d, ok := <-g.deliveries:
			if ok && g.life.Err() == nil {
				msg := g.message(&d)
				if s.timedOut.take(msg) {
					s.count(msg)
					continue
				}
				return msg, nil
			}
			if ok {
				continue // the client hands over what it has buffered, and the broker delivers it again
			}
			// Closed: a zero delivery is no message. Wait for the successor.
			select {
			case <-g.over:
			case <-s.stopped:
				return nil, s.reason()
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		case <-s.stopped:
			return nil, s.reason()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// count makes a consumer timeout count as a failed delivery; see [timedOut].
func (s *subscription) count(msg *broker.Delivery) {
	s.broker.log.LogAttrs(s.life, slog.LevelError, "a message was held for longer than the consumer timeout, by its handler or waiting for one, which counts as a failed delivery of its message; "+
		"limit the handler with processors/timeout, or raise the broker's consumer_timeout",
		logattr.Of(msg, nil)...)
	if err := msg.Nack(true); err != nil && !errors.Is(err, processor.ErrStale) {
		s.broker.log.Warn("message not rejected", slog.Any("error", err))
	}
}

func (s *subscription) reason() error {
	if s.err != nil {
		return s.err
	}
	return io.EOF
}

// supervise replaces each generation that is lost, until the subscription is stopped or
// cannot go on. When it has returned, current is the last generation.
func (s *subscription) supervise() {
	defer close(s.done)
	failures := 0 // generations in a row that did not last
	for {
		g := s.current.Load()
		lost := g.wait(s.life)
		if s.life.Err() != nil {
			return
		}
		if time.Since(g.opened) > lasting {
			failures = 0
		} else {
			failures++
		}
		s.report(g, lost.cause, failures)
		if serverOf(g.session.ServerProperties()).returnsOverdueUncounted() {
			s.timedOut.note(lost.overdue)
		}
		g.shut()
		next, err := s.open(s.life, failures)
		switch {
		case err == nil:
			s.current.Store(next)
			close(g.over)
		case s.life.Err() == nil:
			s.fail(fmt.Errorf("rabbitmq: consume queue %q: %w", s.queue, errors.Join(err, lost.cause)))
			return
		default:
			return
		}
	}
}

// fail ends the intake because the subscription cannot go on.
func (s *subscription) fail(err error) {
	s.stop.Do(func() {
		s.err = err
		close(s.stopped)
	})
}

// suspicious is after how many generations without a delivery the queue's first message
// is suspected.
const suspicious = 3

// report logs that a generation was lost.
func (s *subscription) report(g *generation, cause error, failures int) {
	log := s.broker.log.With(slog.String("queue", s.queue), slog.Any("error", cause), slog.Int("times", failures))
	if failures < suspicious || g.used.Load() {
		log.Warn("consuming channel lost, opening the next; unsettled messages are delivered again")
		return
	}
	log.Error("consuming channel lost again before its first delivery; " +
		"the first message of the queue may be one that the client cannot read: with an unsigned 64-bit header, " +
		"with headers over the frame size (128 KiB; x-death grows), with over 8,192 entries in one table or list of them, " +
		"or nested over 32 levels deep: look at it with the management UI and remove it")
}

// open opens a generation, trying again for as long as that may help. The generations
// before it that did not last lengthen the wait.
func (s *subscription) open(ctx context.Context, failures int) (*generation, error) {
	var last error
	var after time.Time // when a queue may have gone; each session has declared all at first
	if g := s.current.Load(); g != nil && g.session.Err() == nil {
		after = time.Now()
	}
	pause := wait(failures)
	for {
		sleep(ctx, pause)
		g, err := openGeneration(ctx, s.broker, s.queue, s.prefetch, after)
		if err == nil {
			return g, nil
		}
		if ctx.Err() != nil {
			// An attempt that was only too late does not say why there had to be another.
			return nil, errors.Join(ended(ctx), err, last)
		}
		if fatal(err) || s.broker.life.Err() != nil {
			return nil, closedOr(err)
		}
		last = err
		failures++
		if !errors.Is(err, ErrQueueDown) {
			after = time.Now()
		}
		pause = wait(failures)
		s.broker.log.Warn("consuming channel not opened, trying again", slog.String("queue", s.queue),
			slog.Any("error", err), slog.Duration("wait", pause))
	}
}

// interrupt ends the intake: Receive returns, and no generation is opened any more.
func (s *subscription) interrupt() {
	s.end()
	s.stop.Do(func() { close(s.stopped) })
}

// Stop takes no more messages and gives back those that nobody has received.
func (s *subscription) Stop(ctx context.Context) error {
	s.interrupt()
	select {
	case <-s.done: // from here on current is the last generation
	case <-ctx.Done():
		return fmt.Errorf("rabbitmq: stop consuming queue %q: %w", s.queue, ended(ctx))
	}
	err := s.giveBack.do(ctx, &s.broker.background, func() {
		s.gaveBack.Store(true)
		if err := s.current.Load().giveBack(); err != nil {
			s.broker.log.Info("buffered messages not given back one by one; the broker does so with their channel",
				slog.String("queue", s.queue), slog.Any("error", err))
		}
	})
	if err != nil {
		return fmt.Errorf("rabbitmq: stop consuming queue %q: %w", s.queue, err)
	}
	return nil
}

// Close ends the intake and closes the channel, with all that is unsettled on it: given back
// one by one, as Stop does, it would go to the tail of a quorum queue. When ctx ends first,
// that is done in the background.
func (s *subscription) Close(ctx context.Context) error {
	s.interrupt()
	err := s.shut.do(ctx, &s.broker.background, func() { //nolint:contextcheck // it outlives the call
		<-s.done // from here on current is the last generation
		s.leave()
	})
	if err != nil {
		return fmt.Errorf("rabbitmq: close channel of queue %q: %w", s.queue, err)
	}
	return nil
}
