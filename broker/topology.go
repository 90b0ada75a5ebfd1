package broker

import (
	"errors"
	"maps"
	"time"

	"github.com/gowarren/warren/processor"
)

var (
	// ErrMismatch: a part of the topology exists already with other arguments.
	ErrMismatch = errors.New("it exists already with other arguments")
	// ErrNoQueue: a queue does not exist.
	ErrNoQueue = errors.New("the queue does not exist")
	// ErrInUse: a queue has an exclusive consumer, or other consumers where an exclusive one
	// was asked for.
	ErrInUse = errors.New("the queue is in exclusive use, or in use by others")
	// ErrTopology: a topology contradicts itself; nothing was declared.
	ErrTopology = errors.New("the topology cannot be declared")
	// ErrUnsupported: the server does not have what a topology needs, and would silently
	// ignore it; nothing was declared.
	ErrUnsupported = errors.New("the server does not have it")
)

// Topology is a set of exchanges, queues and bindings. It is declared in that order.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
	Bindings  []Binding
	// Owned are beginnings of the names of queues that belong to this topology alone. Queues
	// of such a name that it does not list are left over from an earlier one with
	// other delays. Nothing is declared or removed because of it.
	Owned []string
}

// Kind is the way an exchange routes: one of those below, or of a plugin's that begin with x-, such as
// "x-consistent-hash" and "x-delayed-message". What a plugin needs goes into the arguments. A plugin
// that the broker does not have is an error of Declare; broker/memory has none. RabbitMQ before 4.0 ends
// the connection over it, which is then opened again.
type Kind string

// The kinds of exchange.
const (
	// Direct routes by equal keys.
	Direct Kind = "direct"
	// Topic routes by patterns of words: * is one word, # is any number of them.
	Topic Kind = "topic"
	// Fanout routes to every bound queue.
	Fanout Kind = "fanout"
	// HeadersKind routes by the binding's arguments: x-match is all (the default) or
	// any, and arguments that start with x- are not matched.
	HeadersKind Kind = "headers"
)

// Exchange is an exchange to declare. Its zero value lacks a name and a kind; every
// other field is optional.
type Exchange struct {
	Name string
	Kind Kind
	// Alternate is the exchange for messages that this one cannot route.
	Alternate string
	// Transient exchanges do not survive the broker's restart. Default: durable.
	Transient bool
	// AutoDelete removes the exchange with its last binding.
	AutoDelete bool
	// Internal exchanges take no messages from publishers.
	Internal bool
	// Arguments are passed on as they are. They must not repeat a field.
	Arguments processor.Headers
}

// preDeclared are the exchanges that every vhost of RabbitMQ has.
var preDeclared = map[string]Kind{
	"amq.direct": Direct, "amq.fanout": Fanout, "amq.topic": Topic, "amq.headers": HeadersKind, "amq.match": HeadersKind,
}

// PreDeclared returns the exchanges that every vhost of RabbitMQ has beside the default one, with their kinds.
func PreDeclared() map[string]Kind { return maps.Clone(preDeclared) }

// QueueType is how a queue stores its messages.
type QueueType string

// The queue types.
const (
	// Classic queues live on one node.
	Classic QueueType = "classic"
	// Quorum queues are replicated.
	Quorum QueueType = "quorum"
)

// Overflow is what a full queue does.
type Overflow string

// The overflow behaviours.
const (
	// DropHead drops, or dead-letters, the oldest message. It is the broker's default.
	DropHead Overflow = "drop-head"
	// RejectPublish refuses the new message.
	RejectPublish Overflow = "reject-publish"
)

// DeadLetter is where a queue sends messages that are rejected, expire or are dropped.
type DeadLetter struct {
	// Exchange is the dead-letter exchange; "" is the default exchange.
	Exchange string
	// RoutingKey replaces the message's; "" keeps it.
	RoutingKey string
}

// HighDeliveryLimit is a [Queue.DeliveryLimit] that no message reaches: with a return every
// second it takes 68 years. RabbitMQ's own word for no limit, -1, makes RabbitMQ 3.10 drop a
// message at its first return.
const HighDeliveryLimit = 1<<31 - 1

// DelayedRetry is how long a quorum queue keeps a message that was rejected with requeue
// (a failed attempt) before it redelivers it: Min times its delivery count, at most Max.
// Both are whole milliseconds. A message given back untouched (basic.nack) is redelivered
// at once, and not counted.
type DelayedRetry struct {
	// Min is the wait after the first failure, and what each further failure adds. At least 1 ms.
	Min time.Duration
	// Max is the longest wait. At least Min.
	Max time.Duration
}

// Queue is a queue to declare. Only Name is required.
type Queue struct {
	// Name is chosen by the program, since a queue is declared again after a lost connection. For one
	// that the broker would name, such as a queue of answers, make a unique name:
	// "reply-" + rand.Text(), and declare it as Exclusive.
	Name string
	// Type is the broker's default if it is empty: classic, unless the vhost has another. Set it:
	// an untyped queue that the vhost makes a quorum queue has the default delivery limit. It cannot
	// have its own, since a classic queue with one is refused.
	Type QueueType
	// MessageTTL is how long a message may wait before it is dead-lettered, in whole
	// milliseconds. 0: no limit.
	MessageTTL time.Duration
	// Expires removes the queue with its messages when it has been unused for that
	// long, in whole milliseconds. 0: never.
	Expires time.Duration
	// MaxLength is how many ready messages it holds. 0: no bound.
	MaxLength int
	// Overflow is DropHead by default.
	Overflow Overflow
	// DeadLetter is where rejected, expired and dropped messages go. nil: nowhere,
	// they are lost.
	DeadLetter *DeadLetter
	// DeliveryLimit is how many failed deliveries of a message a quorum queue allows. At the
	// next one it dead-letters the message, or drops it silently if DeadLetter is nil or
	// leads back to the queue ([Loop]). 0: the broker's default, which is 20 from RabbitMQ
	// 4.0 on, and none before. On RabbitMQ 4.3 a message keeps its count when it is
	// dead-lettered. [HighDeliveryLimit] is for queues that must never drop a message.
	DeliveryLimit int
	// DelayedRetry makes a quorum queue wait before it redelivers a failed message.
	// nil: it redelivers at once. RabbitMQ has it from 4.3 on; 4.0 silently ignores it.
	DelayedRetry *DelayedRetry
	// Transient queues do not survive the broker's restart. Default: durable.
	Transient bool
	// Exclusive queues belong to one connection.
	Exclusive bool
	// AutoDelete removes the queue with its last consumer.
	AutoDelete bool
	// Arguments are passed on as they are. They must not repeat a field.
	Arguments processor.Headers
}

// Binding routes messages of an exchange to a queue. A binding from one exchange to another is not
// part of a topology: import it with the broker's definitions, or bind it by the client's ExchangeBind
// in Broker.Ask of package rabbitmq. Messages pass through it as through any other, but neither
// [Topology.Loops] nor a verification sees it.
type Binding struct {
	Exchange   string
	Queue      string
	RoutingKey string
	// Arguments are what a headers exchange matches.
	Arguments processor.Headers
}
