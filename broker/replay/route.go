package replay

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// The reasons why a message has no destination.
var (
	// ErrNoOrigin: the headers of its origin are absent or malformed.
	ErrNoOrigin = errors.New("the message does not say where it came from")
	// ErrNotAllowed: it names a destination that was not allowed.
	ErrNotAllowed = errors.New("the message may not go to the place that it names")
	// ErrSameQueue: it would go to its own queue.
	ErrSameQueue = errors.New("the message would go to the queue that it lies in")
)

// Route says where a message goes. With an error it stays in its queue. A route of your
// own must check whatever it reads from a message: headers are a sender's claim.
type Route func(msg processor.Message) (processor.Destination, error)

// ToQueue sends each message to the queue that it failed in, and to no other, if that is one of the
// allowed queues: an event that several queues got is not doubled for the others. An empty list
// allows nothing: the name is a sender's claim.
func ToQueue(allowed ...string) Route {
	allowed = slices.Clone(allowed)
	return func(msg processor.Message) (processor.Destination, error) {
		queue, err := QueueOf(msg)
		if err != nil {
			return processor.Destination{}, err
		}
		return allowedQueue(queue, allowed)
	}
}

// allowedQueue is queue as a destination.
func allowedQueue(queue string, allowed []string) (processor.Destination, error) {
	if !slices.Contains(allowed, queue) {
		return processor.Destination{}, fmt.Errorf("%w: queue %q", ErrNotAllowed, excerpt.Of(queue, processor.MaxName))
	}
	return processor.Destination{RoutingKey: queue}, nil
}

// To sends every message to one destination.
func To(place processor.Destination) Route {
	return func(processor.Message) (processor.Destination, error) { return place, nil }
}

// ToOrigin publishes each message again where it was first published to, if that is one of the
// allowed destinations. Every queue that is bound there gets it, also those where it did not fail: see
// [ToQueue]. One with an exchange and no key allows every key of that exchange. One with a
// key and no exchange is the queue of that name. The zero Destination, or an empty list,
// allows nothing: on the default exchange every queue can be reached.
func ToOrigin(allowed ...processor.Destination) Route {
	allowed = slices.Clone(allowed)
	return func(msg processor.Message) (processor.Destination, error) {
		origin, err := OriginOf(msg)
		if err != nil {
			return processor.Destination{}, err
		}
		for _, place := range allowed {
			if covers(place, origin) {
				return origin, nil
			}
		}
		return processor.Destination{}, fmt.Errorf("%w: exchange %q, key %q", ErrNotAllowed,
			excerpt.Of(origin.Exchange, processor.MaxName), excerpt.Of(origin.RoutingKey, processor.MaxName))
	}
}

// covers reports whether place, an allowed destination, allows origin.
func covers(place, origin processor.Destination) bool {
	return place == origin && place != processor.Destination{} ||
		place.Exchange != "" && place.Exchange == origin.Exchange && place.RoutingKey == ""
}

// ToKey sends each message to the queue that its routing key names, if that is one of the
// allowed queues. It is for the lost queue of a ladder of delays, which may have messages of
// several services. An empty list allows nothing: a key is a sender's claim.
func ToKey(allowed ...string) Route {
	allowed = slices.Clone(allowed)
	return func(msg processor.Message) (processor.Destination, error) {
		return allowedQueue(msg.Origin().RoutingKey, allowed)
	}
}

// QueueOf is the queue that msg failed in, by its headers, or by x-death if the broker has parked it
// at the delivery limit of that queue before it ever failed. It is for operators, and for routes that
// check it: every publisher can forge it. The error is [ErrNoOrigin].
func QueueOf(msg processor.Message) (string, error) {
	if _, failed := msg.Headers()[republish.HeaderOriginalQueue]; !failed {
		if queue, _, ok := givenUp(msg.Headers()); ok {
			return queue, nil
		}
	}
	queue, err := name(msg, republish.HeaderOriginalQueue)
	if err == nil && queue == "" {
		err = fmt.Errorf("%w: header %s is empty", ErrNoOrigin, republish.HeaderOriginalQueue)
	}
	return queue, err
}

// OriginOf is the origin of msg by its headers, or by x-death as for [QueueOf]. It is for operators,
// and for routes that check it: every publisher can forge it. The error is [ErrNoOrigin].
func OriginOf(msg processor.Message) (processor.Destination, error) {
	if _, failed := msg.Headers()[republish.HeaderOriginalKey]; !failed {
		if _, origin, ok := givenUp(msg.Headers()); ok {
			return origin, nil
		}
	}
	exchange, err := name(msg, republish.HeaderOriginalExchange)
	if err != nil {
		return processor.Destination{}, err
	}
	key, err := name(msg, republish.HeaderOriginalKey)
	if err != nil {
		return processor.Destination{}, err
	}
	return processor.Destination{Exchange: exchange, RoutingKey: key}, nil
}

// givenUp is where, by x-death, a message came from that the broker gave up at a delivery limit.
func givenUp(h processor.Headers) (queue string, origin processor.Destination, ok bool) {
	deaths, _ := h.List("x-death")
	for _, death := range deaths {
		d, _ := processor.Headers{"": death}.Table("")
		reason, _ := d.String("reason")
		queue, _ := d.String("queue")
		exchange, known := d.String("exchange")
		keys, _ := d.List("routing-keys")
		if reason != "delivery_limit" || queue == "" || !known || len(keys) == 0 {
			continue
		}
		key, ok := keys[0].(string)
		return queue, processor.Destination{Exchange: exchange, RoutingKey: key}, ok && max(len(queue), len(key), len(exchange)) <= processor.MaxName
	}
	return "", processor.Destination{}, false
}

// name reads a header as retries write it.
func name(msg processor.Message, header string) (string, error) {
	switch v := msg.Headers()[header].(type) {
	case nil:
		return "", fmt.Errorf("%w: header %s is missing", ErrNoOrigin, header)
	case string:
		if len(v) > processor.MaxName {
			return "", fmt.Errorf("%w: header %s is %d bytes long", ErrNoOrigin, header, len(v))
		}
		return v, nil
	default:
		return "", fmt.Errorf("%w: header %s is of type %T", ErrNoOrigin, header, v)
	}
}
