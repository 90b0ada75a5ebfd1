package broker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/processor"
)

var (
	// ErrMismatch: something exists already with other arguments.
	ErrMismatch = errors.New("it exists already with other arguments")
	// ErrNoQueue: a queue does not exist.
	ErrNoQueue = errors.New("the queue does not exist")
	// ErrTopology: a topology contradicts itself; nothing was declared.
	ErrTopology = errors.New("the topology cannot be declared")
)

// Topology is a set of exchanges, queues and bindings. It is declared in that order.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
	Bindings  []Binding
}

// Kind is the way an exchange routes.
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
	// Alternate is the exchange that gets what this one cannot route.
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

// DeadLetter is where a queue sends what it rejects, lets expire or drops.
type DeadLetter struct {
	// Exchange is the dead-letter exchange; "" is the default exchange.
	Exchange string
	// RoutingKey replaces the message's; "" keeps it.
	RoutingKey string
}

// Queue is a queue to declare. Only Name is required.
type Queue struct {
	Name string
	// Type is the broker's default if it is empty: classic, unless the vhost has another.
	Type QueueType
	// MessageTTL is how long a message may wait before it is dead-lettered, in whole
	// milliseconds. 0: for ever.
	MessageTTL time.Duration
	// Expires removes the queue, and what it holds, when it has been unused for that
	// long, in whole milliseconds. 0: never.
	Expires time.Duration
	// MaxLength is how many ready messages it holds. 0: no bound.
	MaxLength int
	// Overflow is DropHead by default.
	Overflow Overflow
	// DeadLetter is where rejected, expired and dropped messages go. nil: nowhere,
	// they are gone.
	DeadLetter *DeadLetter
	// Transient queues do not survive the broker's restart. Default: durable.
	Transient bool
	// Exclusive queues belong to one connection.
	Exclusive bool
	// AutoDelete removes the queue with its last consumer.
	AutoDelete bool
	// Arguments are passed on as they are. They must not repeat a field.
	Arguments processor.Headers
}

// Binding routes messages of an exchange to a queue.
type Binding struct {
	Exchange   string
	Queue      string
	RoutingKey string
	// Arguments are what a headers exchange matches.
	Arguments processor.Headers
}

// AllArguments returns the arguments that x is declared with, fields included, with the
// types that every broker carries.
func (x Exchange) AllArguments() processor.Headers {
	args := x.Arguments.Clone()
	maps.Copy(args, x.fieldArguments())
	return onWire(args)
}

func (x Exchange) fieldArguments() processor.Headers {
	args := processor.Headers{}
	if x.Alternate != "" {
		args["alternate-exchange"] = x.Alternate
	}
	return args
}

// AllArguments returns the arguments that q is declared with, fields included, with the
// types that every broker carries.
func (q Queue) AllArguments() processor.Headers {
	args := q.Arguments.Clone()
	maps.Copy(args, q.fieldArguments())
	return onWire(args)
}

// AllArguments returns the arguments that b is declared with, with the types that every
// broker carries. They are never nil.
func (b Binding) AllArguments() processor.Headers { return onWire(b.Arguments.Clone()) }

func (q Queue) fieldArguments() processor.Headers {
	args := processor.Headers{}
	if q.Type != "" {
		args["x-queue-type"] = string(q.Type)
	}
	if q.MessageTTL > 0 {
		args["x-message-ttl"] = q.MessageTTL.Milliseconds()
	}
	if q.Expires > 0 {
		args["x-expires"] = q.Expires.Milliseconds()
	}
	if q.MaxLength > 0 {
		args["x-max-length"] = int64(q.MaxLength)
	}
	if q.Overflow != "" {
		args["x-overflow"] = string(q.Overflow)
	}
	if q.DeadLetter != nil {
		args["x-dead-letter-exchange"] = q.DeadLetter.Exchange
		if q.DeadLetter.RoutingKey != "" {
			args["x-dead-letter-routing-key"] = q.DeadLetter.RoutingKey
		}
	}
	return args
}

// Merge returns a topology with the parts of both. What is in both and equal stands
// once, so merging is idempotent.
func (t Topology) Merge(other Topology) Topology {
	return Topology{
		Exchanges: union(t.Exchanges, other.Exchanges, Exchange.equal),
		Queues:    union(t.Queues, other.Queues, Queue.equal),
		Bindings:  union(t.Bindings, other.Bindings, Binding.equal),
	}
}

// Validate returns every reason why t cannot be declared, each wrapping [ErrTopology].
func (t Topology) Validate() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("broker: %w: %s", ErrTopology, fmt.Sprintf(format, args...)))
	}
	exchanges := map[string]Exchange{}
	for _, x := range t.Exchanges {
		if problem := x.problem(); problem != "" {
			fail("exchange %q: %s", x.Name, problem)
		}
		if twin, ok := exchanges[x.Name]; ok && !twin.equal(x) {
			fail("exchange %q is listed twice, and differently", x.Name)
		}
		exchanges[x.Name] = x
	}
	queues := map[string]Queue{}
	for _, q := range t.Queues {
		if problem := q.problem(); problem != "" {
			fail("queue %q: %s", q.Name, problem)
		}
		if twin, ok := queues[q.Name]; ok && !twin.equal(q) {
			fail("queue %q is listed twice, and differently", q.Name)
		}
		queues[q.Name] = q
	}
	for _, b := range t.Bindings {
		if problem := b.problem(); problem != "" {
			fail("binding of queue %q to exchange %q: %s", b.Queue, b.Exchange, problem)
		}
	}
	return errors.Join(errs...)
}

func (x Exchange) problem() string {
	switch {
	case x.Name == "":
		return "it needs a name; the default exchange is always there and cannot be declared"
	case tooLong(x.Name, x.Alternate):
		return "its name, or its alternate's, is over 255 bytes"
	case reserved(x.Name):
		return "names that begin with amq. are the broker's own"
	case !slices.Contains([]Kind{Direct, Topic, Fanout, HeadersKind}, x.Kind) && !isPluginKind(x.Kind):
		return fmt.Sprintf("kind %q is none of direct, topic, fanout and headers, nor a plugin's (x-...)", x.Kind)
	}
	return argumentProblem(x.Arguments, x.fieldArguments())
}

func isPluginKind(k Kind) bool { return len(k) > 2 && strings.HasPrefix(string(k), "x-") }

func reserved(name string) bool { return strings.HasPrefix(name, "amq.") }

func tooLong(names ...string) bool {
	return slices.ContainsFunc(names, func(s string) bool { return len(s) > maxShortString })
}

func (q Queue) problem() string {
	switch {
	case q.Name == "":
		return "it needs a name"
	case tooLong(q.Name):
		return "its name is over 255 bytes"
	case reserved(q.Name):
		return "names that begin with amq. are the broker's own"
	case q.DeadLetter != nil && tooLong(q.DeadLetter.Exchange, q.DeadLetter.RoutingKey):
		return "its dead-letter exchange or key is over 255 bytes; messages with such a key cannot be delivered"
	case q.Type != "" && q.Type != Classic && q.Type != Quorum:
		return fmt.Sprintf("type %q is neither classic nor quorum; give another as the argument x-queue-type", q.Type)
	case q.Overflow != "" && q.Overflow != DropHead && q.Overflow != RejectPublish:
		return fmt.Sprintf("overflow %q is neither drop-head nor reject-publish; give another as the argument x-overflow", q.Overflow)
	case q.Type == Quorum && (q.Transient || q.Exclusive || q.AutoDelete):
		return "a quorum queue cannot be transient, exclusive or auto-delete"
	case q.MessageTTL < 0 || q.Expires < 0 || q.MaxLength < 0:
		return "a TTL, expiry or length is negative"
	case q.MessageTTL > maxExpiration || q.Expires > maxExpiration:
		return "a TTL or expiry is over ten years"
	case q.MessageTTL%time.Millisecond != 0 || q.Expires%time.Millisecond != 0:
		return "a TTL or expiry is not a whole number of milliseconds"
	}
	fields := q.fieldArguments()
	if q.DeadLetter != nil {
		fields["x-dead-letter-routing-key"] = q.DeadLetter.RoutingKey
	}
	return argumentProblem(q.Arguments, fields)
}

func (b Binding) problem() string {
	switch {
	case b.Queue == "":
		return "it needs a queue"
	case b.Exchange == "":
		return "it needs an exchange; every queue is bound to the default exchange by its name already"
	case tooLong(b.Exchange, b.Queue, b.RoutingKey):
		return "a name or its routing key is over 255 bytes"
	}
	return argumentProblem(b.Arguments, nil)
}

// argumentProblem says which argument stands in a field as well, or cannot be sent.
func argumentProblem(arguments, fields processor.Headers) string {
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		if _, ok := fields[name]; ok {
			return fmt.Sprintf("argument %q repeats a field; keep one of them", name)
		}
	}
	if _, err := prepareHeaders(arguments); err != nil {
		return "its arguments cannot be sent: " + err.Error()
	}
	return ""
}
