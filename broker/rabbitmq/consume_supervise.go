package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// supervise does what is due, one thing at a time, until the subscription is closed or cannot
// continue. When it has returned, current is the last generation.
func (s *subscription) supervise() {
	defer s.cameBack() // a later Pause has nothing to wait for
	defer close(s.done)
	defer s.leaveLate()
	for s.life.Err() == nil {
		switch due, err := s.step(); {
		case s.life.Err() != nil:
		case err != nil:
			s.fail(err)
			return
		case !due:
			s.wait()
		}
	}
}

// step does one thing, or returns false if none is due.
func (s *subscription) step() (due bool, err error) {
	g, idle, paused := s.state()
	switch {
	case g == nil && paused:
		s.cameBack()
		return false, nil
	case g == nil:
		return true, s.replace()
	case g.shared.Lost():
		s.lose(g)
		return true, nil
	case idle == nil: // it was not paused
		return false, nil
	case !paused && !s.options.Ordered:
		s.goOn(g)
		return true, nil
	case (!s.options.Ordered || g.isStream()) && !g.hasStopped():
		s.giveBack(g)
		if !s.options.Ordered {
			s.cameBack()
		}
		return true, nil
	case !isClosed(idle):
		return false, nil
	}
	if time.Since(g.opened) > life.Lasting {
		s.failures = 0
	}
	s.set(nil)
	s.leave(g)
	s.begin = g.resumeAt(s.begin)
	s.cameBack()
	return true, nil
}

func (s *subscription) state() (g *generation, idle <-chan struct{}, paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.idle, s.paused
}

// wait returns when something may be due. What was being opened when a pause began becomes the current generation, and
// gives back what it got.
func (s *subscription) wait() {
	g, idle, _ := s.state()
	var lost <-chan struct{}
	if g != nil {
		lost = g.shared.Life().Done()
	}
	var opened <-chan life.Result[*generation]
	if s.late != nil {
		opened = s.late.Came()
	}
	select {
	case r := <-opened:
		s.late = nil
		if r.Err == nil {
			s.last = nil
			s.set(r.Value)
		}
	case <-s.life.Done():
	case <-s.asked:
	case <-lost:
	case <-idle:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// lose closes a generation that was lost.
func (s *subscription) lose(g *generation) {
	e := g.ended()
	if time.Since(g.opened) > life.Lasting {
		s.failures = 0
	} else {
		s.failures++
	}
	s.report(g, e.cause)
	if version.Of(g.session.ServerProperties()).ReturnsOverdueUncounted() {
		s.timedOut.note(e.overdue)
	}
	s.last = g
	s.set(nil)
	if g.silent.Load() {
		s.broker.life.Go(g.shut) // it may take long
	} else {
		g.shut()
	}
	g.position.await()
	s.begin = g.resumeAt(s.begin)
	s.cameBack() // ends a pause: the broker has requeued all of it
}

// replace opens the next generation.
func (s *subscription) replace() error {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	if !s.opening(cancel) {
		return nil
	}
	next, err := s.open(ctx)
	s.opening(nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil // paused or closed meanwhile
		}
		if s.last != nil {
			err = errors.Join(err, s.last.ended().cause)
		}
		return fmt.Errorf("rabbitmq: consume queue %q: %w", s.queue, err)
	}
	s.last = nil
	s.set(next)
	return nil
}

// opening lets a pause call forget; nil ends that. It returns false if there is a pause already.
func (s *subscription) opening(forget func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget = forget
	return !s.paused
}

// askOn calls f, which asks the broker something on the channel. If the answer does not come in
// time, the generation is lost.
func (s *subscription) askOn(g *generation, f func() error) {
	ctx, cancel := context.WithTimeout(s.broker.life.Context(), life.AnswerTimeout)
	defer cancel()
	err := life.Do(ctx, s.broker.life, f)
	if err == nil {
		return
	}
	g.silent.Store(ctx.Err() != nil)
	g.shared.Lose(err)
}

// giveBack cancels the consumer and requeues what was not received. With Ordered it is for streams alone, which keep
// their order and must know what was not received. Another queue's consumer is not cancelled then before all that it
// holds is requeued: what is on its way to a cancelled consumer is requeued before what it holds, and each ack brings
// more on its way.
func (s *subscription) giveBack(g *generation) {
	s.askOn(g, g.giveBack)
	if g.shared.Lost() {
		s.broker.life.Log.Info("buffered messages not given back one by one; the broker does so with their channel",
			slog.String("queue", s.queue), logattr.Err(g.ended().cause))
	}
}

// goOn ends a pause on the current channel.
func (s *subscription) goOn(g *generation) {
	if g.hasStopped() {
		begin := g.resumeAt(s.begin) // f may outlive this call
		s.begin = begin
		s.askOn(g, func() error { return g.consume(begin) })
	}
	if g.shared.Lost() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused { // again
		return
	}
	g.acks.Resume()
	s.idle = nil
	s.tellBack()
	s.show()
}

// open opens a generation, retrying for as long as that may help. Previous generations that did not
// last lengthen the wait.
func (s *subscription) open(ctx context.Context) (*generation, error) {
	var failed error
	var after time.Time // when a queue may have vanished; zero: what the session declared first will do
	if s.last != nil && s.last.session.Err() == nil {
		after = time.Now()
	}
	failures := s.failures
	pause := life.Wait(failures)
	for {
		life.Sleep(ctx, pause)
		g, err := s.openGeneration(ctx, s.begin, after)
		if err == nil {
			return g, nil
		}
		if ctx.Err() != nil {
			// An attempt that only came too late does not explain the earlier failure.
			return nil, errors.Join(life.Ended(ctx), err, failed)
		}
		if reply.Fatal(err) && !s.lingers(err) || s.broker.life.Over() {
			return nil, life.ClosedOr(err)
		}
		failed = err
		failures++
		if !errors.Is(err, reply.ErrQueueDown) {
			after = time.Now()
		}
		pause = life.Wait(failures)
		s.broker.life.Log.Warn("consuming channel not opened, trying again", slog.String("queue", s.queue),
			logattr.Err(err), slog.Duration("wait", pause))
	}
}

// lingers reports whether an exclusive consumer is refused because the broker has not yet noticed
// that its last channel is gone.
func (s *subscription) lingers(err error) bool {
	return s.last != nil && s.options.Consumer.Exclusive && errors.Is(err, broker.ErrInUse)
}

// count makes a consumer timeout count as a failed delivery; see [timedOut].
func (s *subscription) count(g *generation, d *amqp.Delivery, msg *broker.Delivery) {
	s.broker.life.Log.LogAttrs(s.life, slog.LevelError, "a message was held for longer than the consumer timeout, by its handler or waiting for one, which counts as a failed delivery of its message; "+
		"limit the handler with processors/timeout, or raise the broker's consumer_timeout",
		logattr.Of(msg, nil)...)
	if err := g.Nack(d.DeliveryTag, true); err != nil && !errors.Is(err, processor.ErrStale) {
		s.broker.life.Log.Warn("message not rejected", logattr.Err(err))
	}
}
