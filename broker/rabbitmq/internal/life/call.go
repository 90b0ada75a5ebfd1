package life

import (
	"context"
	"sync"
)

// result is the result of a call.
type result[T any] struct {
	value T
	err   error
}

// Call runs f in the background and returns when it has, or when ctx ends. The client's
// calls cannot be cancelled; what comes too late is given to discard.
func Call[T any](ctx context.Context, l *Life, f func() (T, error), discard func(T)) (T, error) {
	var zero T
	came := make(chan result[T])
	left := make(chan struct{})
	defer close(left)
	started := l.Go(func() {
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
		return zero, ErrClosed
	}
	select {
	case r := <-came:
		return r.value, r.err
	case <-ctx.Done():
		return zero, Ended(ctx)
	}
}

// Do is Call for an f that returns only an error.
func Do(ctx context.Context, l *Life, f func() error) error {
	_, err := Call(ctx, l, func() (struct{}, error) { return struct{}{}, f() }, func(struct{}) {})
	return err
}

// Task runs once, in the background, and every caller waits for it. The zero value is not ready:
// see [NewTask].
type Task struct {
	once sync.Once
	done chan struct{}
}

// NewTask returns a task that has not begun.
func NewTask() *Task { return &Task{done: make(chan struct{})} }

// Do runs f if it is the first call, and returns when f has, or when ctx ends.
func (t *Task) Do(ctx context.Context, l *Life, f func()) error {
	t.once.Do(func() {
		run := func() { defer close(t.done); f() }
		if !l.Go(run) {
			run()
		}
	})
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return Ended(ctx)
	}
}
