package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// QueueExpires is how long a queue of replies outlives its last client.
const QueueExpires = 5 * time.Minute

// Queue returns a line whose replies come by a queue of the client's own, which it declares. They wait there
// while the connection is lost. The name must be the client's alone, at most 255 bytes: a second client would
// take its replies.
//
// Its name is the reply-to of the requests, unless [Bind] sets another.
//
// It is a quorum queue, so that it survives the death of a node, and the broker removes it when it has been unused for five
// minutes. If it is deleted, pending calls end with [ErrRepliesLost], and it is declared again. The broker must be a
// [broker.Redeclarer], as Warren's are.
func Queue(b broker.Broker, name string, opts ...QueueOption) Line {
	q := &queue{broker: b, name: name, replyTo: name, ready: make(chan struct{})}
	q.topology.Queues = []broker.Queue{{
		Name: name, Type: broker.Quorum, Expires: QueueExpires, DeliveryLimit: broker.HighDeliveryLimit,
	}}
	q.problem = option.Apply("rpc: Queue", q, opts)
	return q
}

// QueueOption changes a queue of replies.
type QueueOption func(*queue)

// Bind binds the queue to an exchange that replies are published to, which it declares. The key is the
// reply-to of the requests. Default: replies are published to the queue.
func Bind(exchange broker.Exchange, key string) QueueOption {
	return func(q *queue) {
		q.replyTo = key
		q.topology.Exchanges = []broker.Exchange{exchange}
		q.topology.Bindings = []broker.Binding{{Exchange: exchange.Name, Queue: q.name, RoutingKey: key}}
	}
}

type queue struct {
	broker   broker.Broker
	name     string
	replyTo  string
	topology broker.Topology
	problem  error

	mu           sync.Mutex
	subscription broker.Subscription // nil while there is none
	ready        chan struct{}       // closed while there is one
}

var (
	_ Line              = (*queue)(nil)
	_ processor.Checker = (*queue)(nil)
)

// Check returns an error if the broker or the name is missing.
func (q *queue) Check() error {
	switch {
	case q.broker == nil:
		return errors.New("rpc: the broker is nil")
	case q.redeclarer() == nil:
		return fmt.Errorf("rpc: the broker %T cannot declare a queue that expires: it is no broker.Redeclarer", q.broker)
	case q.name == "" || len(q.name) > processor.MaxName:
		return fmt.Errorf("rpc: the name of the reply queue has %d bytes: it needs 1 to %d", len(q.name), processor.MaxName)
	case q.replyTo == "" || len(q.replyTo) > processor.MaxName:
		return fmt.Errorf("rpc: the key of the replies has %d bytes: it needs 1 to %d", len(q.replyTo), processor.MaxName)
	}
	return q.problem
}

func (q *queue) redeclarer() broker.Redeclarer {
	r, _ := q.broker.(broker.Redeclarer)
	return r
}

// Publisher waits until there is a subscription.
func (q *queue) Publisher(ctx context.Context) (processor.Publisher, error) {
	select {
	case <-q.opened():
		return &asking{q.broker.Publisher(), q.replyTo}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("rpc: the reply queue %q is not ready: %w%s", q.name, ended(ctx), q.unwell())
	}
}

// unwell is what the broker says of its own health, as text: it is no answer to a call. It is "" if it
// is well, or says nothing.
func (q *queue) unwell() string {
	b, ok := q.broker.(interface{ Health() error })
	if !ok {
		return ""
	}
	if err := b.Health(); err != nil {
		return ": " + err.Error()
	}
	return ""
}

// asking sends requests whose replies come by a queue.
type asking struct {
	next    processor.Publisher
	replyTo string
}

// Unwrap returns the broker's publisher.
func (a *asking) Unwrap() processor.Publisher { return a.next }

// Publish sets the reply-to.
func (a *asking) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	e.ReplyTo = a.replyTo
	return a.next.Publish(ctx, to, e)
}

func (q *queue) opened() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready
}

// Receive subscribes if need be, and waits for the next reply.
func (q *queue) Receive(ctx context.Context) (processor.Message, error) {
	s, err := q.subscribed(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := s.Receive(ctx)
	if err != nil {
		if ctx.Err() == nil {
			err = errors.Join(fmt.Errorf("rpc: receive from reply queue %q: %w", q.name, err), q.lose(ctx))
		}
		return nil, err
	}
	// A failed ack brings the reply again, which is late then.
	_ = reply.Ack()
	return reply, nil
}

// prefetch is how many replies may be delivered and not yet received.
const prefetch = 256

// subscribed returns the subscription. Only Receive makes one, so that there is one at most.
func (q *queue) subscribed(ctx context.Context) (broker.Subscription, error) {
	q.mu.Lock()
	s := q.subscription
	q.mu.Unlock()
	if s != nil {
		return s, nil
	}
	err := q.redeclarer().Redeclare(ctx, q.topology)
	if err != nil {
		return nil, fmt.Errorf("rpc: declare reply queue %q: %w", q.name, err)
	}
	s, err = q.broker.Source(q.name).Subscribe(ctx, broker.SubscribeOptions{
		Prefetch: prefetch, Consumer: broker.ConsumerOptions{Tag: "replies"},
	})
	if err != nil {
		return nil, fmt.Errorf("rpc: subscribe to reply queue %q: %w", q.name, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.subscription = s
	close(q.ready)
	return s, nil
}

// lose ends the subscription, which is broken for good.
func (q *queue) lose(ctx context.Context) error {
	q.mu.Lock()
	s := q.subscription
	if s != nil {
		q.subscription, q.ready = nil, make(chan struct{})
	}
	q.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Close(ctx)
}

// Close ends the subscription. The queue expires.
func (q *queue) Close(ctx context.Context) error { return q.lose(ctx) }
