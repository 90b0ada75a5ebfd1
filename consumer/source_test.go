package consumer_test

import (
	"context"
	"io"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

// queue is a source of fake messages.
type queue struct {
	messages chan *processortest.Message
	failure  error // of Subscribe

	mu       sync.Mutex
	prefetch int
	stopped  chan struct{}
	closed   bool
}

func newQueue(msgs ...*processortest.Message) *queue {
	q := &queue{messages: make(chan *processortest.Message, 1000), stopped: make(chan struct{})}
	for _, m := range msgs {
		q.messages <- m
	}
	return q
}

func (q *queue) Subscribe(_ context.Context, prefetch int) (broker.Subscription, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.prefetch = prefetch
	return q, q.failure
}

func (q *queue) Receive(ctx context.Context) (processor.Message, error) {
	select {
	case <-q.stopped:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	case m, ok := <-q.messages:
		if !ok {
			return nil, io.EOF
		}
		return m, nil
	}
}

func (q *queue) Stop(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.stopped:
	default:
		close(q.stopped)
	}
	return nil
}

func (q *queue) Close(ctx context.Context) error {
	err := q.Stop(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return err
}
