package stack_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/stretchr/testify/require"
)

// newMessage is a message as one of Watermill's subscribers makes it.
//
//go:noinline
func newMessage() *message.Message {
	msg := message.NewMessage("4711", body)
	msg.Metadata.Set("tenant", "acme")
	return msg
}

func watermillMessage(_ testing.TB, t *tally, _ error) func() error {
	return func() error { return t.route(newMessage(), handled) }
}

// watermillStack publishes failed messages to another topic, as Warren's retry does, with what
// Watermill calls a poison queue.
func watermillStack(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	process := around(handles(handler), poison(tb, t), middleware.Recoverer)
	return func() error { return t.route(newMessage(), process) }
}

// watermillRetryStack first retries at once, in the same goroutine. It is measured on success
// alone: on failure it waits.
func watermillRetryStack(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	retry := middleware.Retry{MaxRetries: 3, InitialInterval: 100 * time.Millisecond, Multiplier: 2, MaxInterval: time.Second}
	process := around(handles(handler), poison(tb, t), retry.Middleware, middleware.Recoverer)
	return func() error { return t.route(newMessage(), process) }
}

func watermillLayers(_ testing.TB, _ *tally, handler error) func() error {
	process := handles(handler)
	for range layers {
		process = around(process, passes)
	}
	msg := newMessage()
	return func() error {
		_, err := process(msg)
		return err
	}
}

func poison(tb testing.TB, t *tally) message.HandlerMiddleware {
	tb.Helper()
	m, err := middleware.PoisonQueue(watermillPublisher{t}, "work_retry")
	require.NoError(tb, err)
	return m
}

func handles(err error) message.HandlerFunc {
	return func(*message.Message) ([]*message.Message, error) { return nil, err }
}

func handled(*message.Message) ([]*message.Message, error) { return nil, nil }

func passes(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) { return next(msg) }
}

// around decorates the handler, outermost first, as the router does when it starts.
func around(h message.HandlerFunc, outermost ...message.HandlerMiddleware) message.HandlerFunc {
	for _, m := range slices.Backward(outermost) {
		h = m(h)
	}
	return h
}

// route does for one message what the router does: it settles by the handler's error.
// The goroutine that the router starts for each message is left out.
func (t *tally) route(msg *message.Message, process message.HandlerFunc) error {
	if _, err := process(msg); err != nil {
		msg.Nack()
		t.nacked++
		return err
	}
	if msg.Ack() {
		t.acked++
	}
	return nil
}
