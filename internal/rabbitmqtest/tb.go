//go:build unix

package rabbitmqtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// TB has the methods of a test that nodes use. Every [testing.TB] is one; for
// programs there is [Run].
type TB interface {
	Helper()
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Log(args ...any)
}

// Run runs f as a test outside of go test, for programs that start nodes, and returns
// its failures. f runs in a goroutine of its own, which Fatalf ends. Cleanups run in
// reverse order when f has returned, failed or panicked; a panic then goes on.
//
// When ctx ends, every wait for a node to start, to come back or to lead fails at
// once. f should return then: Run waits for it.
func Run(ctx context.Context, f func(TB)) error {
	p := &program{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer func() {
			if v := recover(); v != nil {
				defer panic(v)
			} else {
				defer close(done)
			}
			p.cleanUp()
		}()
		f(p)
	}()
	<-done
	return errors.Join(p.errs...)
}

// program is the TB of [Run].
type program struct {
	ctx context.Context //nolint:containedctx // a test has a context too

	mu       sync.Mutex
	errs     []error
	cleanups []func()
}

func (*program) Helper() {}

func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *program) Errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

func (p *program) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	runtime.Goexit()
}

func (p *program) Failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.errs) > 0
}

func (*program) Log(args ...any) { fmt.Fprintln(os.Stderr, args...) }

// cleanUp runs the cleanups that are left, the last first, even if one of them fails.
func (p *program) cleanUp() {
	p.mu.Lock()
	n := len(p.cleanups)
	if n == 0 {
		p.mu.Unlock()
		return
	}
	last := p.cleanups[n-1]
	p.cleanups = p.cleanups[:n-1]
	p.mu.Unlock()
	defer p.cleanUp()
	last()
}

// within returns a context for a wait. It does not end with a test's
// own context, which is over when the cleanups run: one of them may bring a node back.
func within(tb TB, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx := context.Background()
	if p, ok := tb.(*program); ok {
		ctx = p.ctx
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready after %v", limit))
}
