// Package life is what all parts of a broker share from Open to Close: the context that ends them,
// the goroutines, the log, and the waits.
package life

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// Life is the life of a broker. It refuses new goroutines once it is closing, so that waiting for
// the last never races with the start of another.
type Life struct {
	Log *slog.Logger

	ctx context.Context //nolint:containedctx // it is what this type is
	end context.CancelFunc

	mu      sync.Mutex
	closing bool
	running sync.WaitGroup
}

// New begins a life with the values of ctx, but not its end.
func New(ctx context.Context, log *slog.Logger) *Life {
	l := &Life{Log: log}
	l.ctx, l.end = context.WithCancel(context.WithoutCancel(ctx))
	return l
}

// Context ends when the broker is being closed.
func (l *Life) Context() context.Context { return l.ctx }

// Over reports whether the broker is being closed, or is closed.
func (l *Life) Over() bool { return l.ctx.Err() != nil }

// End ends the context. Goroutines may be started until Close.
func (l *Life) End() { l.end() }

// Go runs f in a goroutine, or returns false after Close. The client's calls return at once by then if the life is
// the broker's, whose connections are cut; they may not if it is that of a part of it.
func (l *Life) Go(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.running.Go(f)
	return true
}

// Close refuses new goroutines. The channel that it returns is closed when the last has returned.
func (l *Life) Close() <-chan struct{} {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); l.running.Wait() }()
	return done
}

// ErrClosed is what every method returns after the broker's Close.
var ErrClosed = fmt.Errorf("rabbitmq: the broker is %w", processor.ErrClosed)

// OverOr adds to an error after Close, or because of it, that the broker is closed.
func (l *Life) OverOr(err error) error {
	if err == nil || !l.Over() || errors.Is(err, processor.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// ClosedOr replaces the error of a closed connection by that of a closed broker, and keeps why the
// connection has given up.
func ClosedOr(err error) error {
	switch {
	case errors.Is(err, failover.ErrGaveUp):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	case errors.Is(err, failover.ErrClosed):
		return ErrClosed
	}
	return err
}

// Ended is the error of a context that is over, with its cause.
func Ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}
