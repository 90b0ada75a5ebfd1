package rabbitmq

import (
	"context"
	"sync"
)

// background is every goroutine of a broker. It refuses new ones once it is closing, so
// that waiting for the last never races with the start of another.
type background struct {
	mu      sync.Mutex
	closing bool
	running sync.WaitGroup
}

// start runs f in a goroutine, or reports false if the broker is closing. By then its
// connections are cut, and the client's calls return at once.
func (b *background) start(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return false
	}
	b.running.Go(f)
	return true
}

// close refuses new goroutines. The channel is closed when the last has returned.
func (b *background) close() <-chan struct{} {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); b.running.Wait() }()
	return done
}

// result is what a call brought.
type result[T any] struct {
	value T
	err   error
}

// call runs f in the background and returns when it has, or when ctx ends. The client's
// calls cannot be cancelled; what comes too late is given to discard.
func call[T any](ctx context.Context, b *background, f func() (T, error), discard func(T)) (T, error) {
	var zero T
	came := make(chan result[T])
	left := make(chan struct{})
	defer close(left)
	started := b.start(func() {
		value, err := f()
		select {
		case came <- result[T]{value, err}:
		case <-left:
			if err == nil {
				discard(value)
			}
		}
	})
	if !started {
		return zero, errClosed
	}
	select {
	case r := <-came:
		return r.value, r.err
	case <-ctx.Done():
		return zero, ended(ctx)
	}
}

// task is done once, in the background, and waited for by whoever asks.
type task struct {
	once sync.Once
	done chan struct{}
}

func newTask() *task { return &task{done: make(chan struct{})} }

// do runs f if it is the first call, and returns when f has, or when ctx ends.
func (t *task) do(ctx context.Context, b *background, f func()) error {
	t.once.Do(func() {
		run := func() { defer close(t.done); f() }
		if !b.start(run) {
			run()
		}
	})
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}
