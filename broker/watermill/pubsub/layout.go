package pubsub

import (
	"errors"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Layout maps a topic to the broker. [DurableQueue] and [DurablePubSub] have the names and arguments
// of watermill-amqp's, so that both can work on one broker. The functions get the topic; they are
// called concurrently.
type Layout struct {
	// Exchange is where messages are published. nil is the default exchange, where the routing key
	// names a queue.
	Exchange func(topic string) broker.Exchange
	// Queue is what a subscription consumes from. nil is for publishers only.
	Queue func(topic string) broker.Queue
	// RoutingKey is the key of published messages. nil is "" with an exchange, and the queue's name
	// without one; the topic if there is neither.
	RoutingKey func(topic string) string
	// BindingKey binds the queue to the exchange. nil is "".
	BindingKey func(topic string) string
}

// DurableQueue is one queue for each topic, with the topic's name: each message goes to one of the
// subscribers. The queue is that of watermill-amqp's NewDurableQueueConfig, whose publishers declare
// nothing. These declare the queue, so that a message published before the first subscription
// is kept; see [ExistingQueue].
func DurableQueue() Layout {
	return Layout{Queue: func(topic string) broker.Queue { return broker.Queue{Name: topic} }}
}

// ExistingQueue is for publishers to queues that others own, such as the queue that a request names
// for its reply: the topic is the queue's name. Nothing is declared. A queue that does not exist is
// [processor.ErrUnroutable].
func ExistingQueue() Layout {
	return Layout{RoutingKey: func(topic string) string { return topic }}
}

// DurablePubSub is one fanout exchange for each topic, with the topic's name, and a queue for each
// group of subscribers, topic_group: each message goes to one subscriber of each group. They are
// those of watermill-amqp's NewDurablePubSubConfig with GenerateQueueNameTopicNameWithSuffix(group).
//
// Publishers declare the exchange alone, and may leave group empty. Before any group has a queue
// there, a publish is [processor.ErrUnroutable]; see [AllowUnroutable].
func DurablePubSub(group string) Layout {
	l := Layout{Exchange: func(topic string) broker.Exchange { return broker.Exchange{Name: topic, Kind: broker.Fanout} }}
	if group != "" {
		l.Queue = func(topic string) broker.Queue { return broker.Queue{Name: topic + "_" + group} }
	}
	return l
}

// Queues returns the layout with changed queues: change is called with each before it is declared.
// What exists with other arguments is [broker.ErrMismatch].
//
//	pubsub.DurableQueue().Queues(func(q *broker.Queue) {
//		q.Type = broker.Quorum
//		q.DeadLetter = &broker.DeadLetter{RoutingKey: "failed"}
//	})
func (l Layout) Queues(change func(*broker.Queue)) Layout {
	queue := l.Queue
	if queue == nil || change == nil {
		return l
	}
	l.Queue = func(topic string) broker.Queue {
		q := queue(topic)
		change(&q)
		return q
	}
	return l
}

// Quorum returns the layout with quorum queues. By default queues have the broker's default type,
// as in watermill-amqp. A quorum queue counts each nack as a delivery: from RabbitMQ 4.0 on it
// drops a message at the 20th, unless it has a dead-letter exchange.
func (l Layout) Quorum() Layout {
	return l.Queues(func(q *broker.Queue) { q.Type = broker.Quorum })
}

var (
	errNoQueue = errors.New("pubsub: the layout has no queue to subscribe to: give DurablePubSub a group, or set Layout.Queue")
	errNoPlace = errors.New("pubsub: the layout says nowhere to publish to: " +
		"use DurableQueue, DurablePubSub, or ExistingQueue for a queue that others have declared")
)

// published is where messages for topic go, and what they need on the broker.
func (l Layout) published(topic string) (processor.Destination, broker.Topology) {
	switch {
	case l.Exchange == nil && l.Queue == nil:
		return processor.Destination{RoutingKey: keyOr(l.RoutingKey, topic, topic)}, broker.Topology{}
	case l.Exchange == nil:
		q := l.Queue(topic)
		return processor.Destination{RoutingKey: keyOr(l.RoutingKey, topic, q.Name)}, broker.Topology{Queues: []broker.Queue{q}}
	}
	x := l.Exchange(topic)
	return processor.Destination{Exchange: x.Name, RoutingKey: keyOr(l.RoutingKey, topic, "")}, broker.Topology{Exchanges: []broker.Exchange{x}}
}

// subscribed is the queue of a subscription to topic, and what it needs on the broker.
func (l Layout) subscribed(topic string) (queue string, t broker.Topology) {
	q := l.Queue(topic)
	t.Queues = []broker.Queue{q}
	if l.Exchange != nil {
		x := l.Exchange(topic)
		t.Exchanges = []broker.Exchange{x}
		t.Bindings = []broker.Binding{{Exchange: x.Name, Queue: q.Name, RoutingKey: keyOr(l.BindingKey, topic, "")}}
	}
	return q.Name, t
}

func keyOr(key func(string) string, topic, otherwise string) string {
	if key == nil {
		return otherwise
	}
	return key(topic)
}
