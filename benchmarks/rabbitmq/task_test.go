package rabbitmq_test

import (
	"context"
	"time"
)

// task is one thing to do with messages, for either client.
type task struct {
	// filled is how many messages are in the queue before, and left how many must be in it
	// afterwards.
	filled, left int
	// do returns when the last message was through. What comes after that, such as closing the
	// channel, is not measured.
	do func(ctx context.Context, c client, queue string) (time.Time, error)
}

// client is a measured client. Both methods take the name of a queue, a number of messages and how
// many goroutines share them.
type client interface {
	// publish publishes n messages. Each goroutine waits for the confirm of its message
	// before it publishes the next.
	publish(ctx context.Context, queue string, n, goroutines int) error
	// consume takes n messages, with a prefetch of its own, acks each, and returns when
	// the last ack was sent.
	consume(ctx context.Context, queue string, n, goroutines int) (time.Time, error)
}

// publishing is n messages into an empty queue.
func publishing(n, goroutines int) task {
	return task{left: n, do: func(ctx context.Context, c client, queue string) (time.Time, error) {
		err := c.publish(ctx, queue, n, goroutines)
		return time.Now(), err
	}}
}

// consuming is n messages out of a full queue.
func consuming(n, workers int) task {
	return task{filled: n, do: func(ctx context.Context, c client, queue string) (time.Time, error) {
		return c.consume(ctx, queue, n, workers)
	}}
}

// Both clients use the same prefetch, and send the same message.
const prefetch = 100

var body = make([]byte, 256)
