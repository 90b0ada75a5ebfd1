package service

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// life is one handler while the service runs.
type life struct {
	service *shared
	name    string
	once    func(ctx context.Context, l *life) error // one run

	mu       sync.Mutex
	state    State
	before   consumer.Stats // of the runs that have ended
	consumer *consumer.Consumer
	begun    bool  // it has consumed, or ended regularly
	why      error // a layer of it has ended the process
}

func newLife(s *shared, name string, once func(context.Context, *life) error) *life {
	return &life{service: s, name: name, once: once, state: State{Queue: name, Phase: Stopped, Since: time.Now()}}
}

func (l *life) snapshot() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.state
	state.Stats = l.before
	if l.consumer != nil {
		state.Stats = state.Stats.Plus(l.consumer.Stats())
	}
	return state
}

func (l *life) enter(p Phase, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Phase, l.state.Since = p, time.Now()
	if err != nil {
		l.state.Err = err
	}
}

// drains notes that the intake ends, unless the handler is not consuming.
func (l *life) drains() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Phase == Consuming {
		l.state.Phase, l.state.Since = Draining, time.Now()
	}
}

func (l *life) abort() {
	l.mu.Lock()
	c := l.consumer
	l.mu.Unlock()
	if c != nil {
		c.Abort()
	}
}

// live runs the handler until it ends regularly, has failed for good, or ctx has ended. It returns why it
// failed.
func (l *life) live(ctx context.Context) error {
	for failures := 0; ; {
		start := time.Now()
		err := l.once(ctx, l)
		switch {
		case l.asked(ctx) && l.snapshot().Phase == Starting && (callback.Is(err, context.Canceled) || callback.Is(err, context.DeadlineExceeded)):
			return l.stopped(ctx, nil) // before it began
		case l.asked(ctx) || err == nil:
			return l.stopped(ctx, err)
		case !l.hasBegun():
			l.failed(ctx, err)
			l.service.end() // the start has failed
			return err
		case !l.again(err):
			l.failed(ctx, err)
			if l.service.together {
				l.service.end()
			}
			return err
		}
		if failures++; time.Since(start) >= l.service.restart.most {
			failures = 1
		}
		if !l.wait(ctx, failures, err) {
			return l.stopped(ctx, nil) // asked to end while it waited
		}
	}
}

// again reports whether a handler that has failed is started again.
func (l *life) again(err error) bool {
	return l.service.restart != nil && !callback.Is(err, processor.ErrClosed)
}

// wait waits to start the handler again.
func (l *life) wait(ctx context.Context, failures int, err error) bool {
	r := l.service.restart
	d := pacing.Jitter(pacing.Doubling(r.first, r.most, failures))
	l.enter(Restarting, err)
	l.service.logger().LogAttrs(ctx, slog.LevelError, "handler failed, and is started again",
		slog.String("handler", l.name), logattr.Err(err), slog.Duration("in", d))
	if !pacing.Sleep(ctx, d) {
		return false
	}
	l.mu.Lock()
	l.state.Restarts++
	l.mu.Unlock()
	return true
}

func (l *life) failed(ctx context.Context, err error) {
	l.enter(Failed, err)
	l.service.logger().LogAttrs(ctx, slog.LevelError, "handler failed", slog.String("handler", l.name), logattr.Err(err))
}

// asked reports whether the service was asked to end. ctx notices it a moment later.
func (l *life) asked(ctx context.Context) bool {
	return l.service.intake.Err() != nil || ctx.Err() != nil
}

// stopped notes a regular end, and returns why it is none: err is what went wrong at the end of a run that was asked to.
func (l *life) stopped(ctx context.Context, err error) error {
	l.mu.Lock()
	err = cmp.Or(err, l.why)
	l.mu.Unlock()
	if err != nil {
		l.enter(Failed, err)
		return err
	}
	l.enter(Stopped, nil)
	if !l.asked(ctx) && l.begins() {
		l.service.countBegun()
	}
	return nil
}

// consume is one run of a handler, with a pipeline of its own, since layers hold the state of one run.
func (p part) consume(ctx context.Context, l *life) error {
	l.enter(Starting, nil)
	pipeline := p.pipeline
	if l.hasBegun() {
		// Its queue may be gone, and then that is why it failed.
		if err := l.service.declare(ctx, p.topology); err != nil {
			return err
		}
		var err error
		if pipeline, err = p.Stack.Then(p.Handle); err != nil {
			return err
		}
	}
	c, err := p.newConsumer(l.service.broker, pipeline, l.service.consumers, consumer.OnReady(func() { l.works(ctx) }))
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.consumer = c
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.before, l.consumer = l.before.Plus(c.Stats()), nil
	}()
	return c.Run(ctx)
}

// works notes that the subscription is there.
func (l *life) works(ctx context.Context) {
	l.enter(Consuming, nil)
	if ctx.Err() != nil {
		l.drains() // the end came first
	}
	if l.begins() {
		l.service.countBegun()
	}
}

func (l *life) hasBegun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

// begins notes that the handler has begun, and reports whether it had not before.
func (l *life) begins() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.begun
	l.begun = true
	return first
}
