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

	mu      sync.Mutex
	options broker.SubscribeOptions
	channel *broker.Channel
	paused  bool
	turned  chan struct{} // closed, and replaced, with each pause and its end
	over    chan struct{}
	closed  bool
}

func newQueue(msgs ...*processortest.Message) *queue {
	q := &queue{messages: make(chan *processortest.Message, 1000), turned: make(chan struct{}), over: make(chan struct{})}
	for _, m := range msgs {
		q.messages <- m
	}
	return q
}

func (q *queue) Subscribe(_ context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.options, q.channel = o, broker.NewChannel(o)
	if q.failure != nil {
		q.channel.Lose(q.failure)
	}
	return q, q.failure
}

func (q *queue) Receive(ctx context.Context) (*broker.Delivery, error) {
	for {
		messages, turned := q.look()
		select {
		case <-turned:
			continue
		case <-q.over:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		case m, ok := <-messages:
			if !ok {
				return nil, io.EOF
			}
			return q.channel.Deliver(processor.Envelope{Body: m.Body(), Headers: m.Headers(), Properties: m.Properties()}, m.Origin(), settles{m}, 1), nil
		}
	}
}

func (q *queue) look() (messages chan *processortest.Message, turned chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.paused {
		messages = q.messages
	}
	return messages, q.turned
}

func (q *queue) turn(paused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = paused
	close(q.turned)
	q.turned = make(chan struct{})
}

func (q *queue) Pause() <-chan struct{} {
	q.turn(true)
	done := make(chan struct{})
	close(done)
	return done
}

func (q *queue) Resume() { q.turn(false) }

func (q *queue) Close(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		close(q.over)
	}
	q.closed = true
	q.channel.Lose(nil)
	return nil
}

// settles makes a fake message remember its settlements.
type settles struct{ *processortest.Message }

func (s settles) Ack(uint64) error                  { return s.Message.Ack() }
func (s settles) Nack(_ uint64, requeue bool) error { return s.Message.Nack(requeue) }
func (s settles) Release(uint64) error              { return s.Message.Release() }
