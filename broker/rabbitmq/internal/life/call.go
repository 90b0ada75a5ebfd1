package life

import (
	"context"
	"sync"
)

// Result is the result of a call.
type Result[T any] struct {
	Value T
	Err   error
}

// Called is a call in the background. The client's calls cannot be cancelled.
type Called[T any] struct {
	came chan Result[T]
	left chan struct{}
}

// Begin runs f in the background. Its result is taken once, or left.
func Begin[T any](l *Life, f func() (T, error), discard func(T)) (*Called[T], error) {
	c := &Called[T]{make(chan Result[T]), make(chan struct{})}
	started := l.Go(func() {
		value, err := f()
		select {
		case c.came <- Result[T]{value, err}:
		case <-c.left:
			if err == nil {
				discard(value)
			}
		}
	})
	if !started {
		return nil, ErrClosed
	}
	return c, nil
}

// Came has the result.
func (c *Called[T]) Came() <-chan Result[T] { return c.came }

// Leave gives the result, which was not taken, to discard.
func (c *Called[T]) Leave() { close(c.left) }

// Call runs f in the background and returns when it has, or when ctx ends. What comes too late is
// given to discard.
func Call[T any](ctx context.Context, l *Life, f func() (T, error), discard func(T)) (T, error) {
	var zero T
	c, err := Begin(l, f, discard)
	if err != nil {
		return zero, err
	}
	defer c.Leave()
	select {
	case r := <-c.Came():
		return r.Value, r.Err
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
