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

// To sends every message to one destination.
func To(place processor.Destination) Route {
	return func(processor.Message) (processor.Destination, error) { return place, nil }
}

// ToOrigin sends each message to where it came from, if that is one of the allowed
// destinations. One with an exchange and no key allows every key of that exchange. One with a
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
		key := msg.Origin().RoutingKey
		if !slices.Contains(allowed, key) {
			return processor.Destination{}, fmt.Errorf("%w: queue %q", ErrNotAllowed, excerpt.Of(key, processor.MaxName))
		}
		return processor.Destination{RoutingKey: key}, nil
	}
}

// OriginOf is the origin of msg by its headers, or by x-death if the broker has parked it at
// the delivery limit of its queue before it ever failed. It is for operators, and for routes that
// check it: every publisher can forge it. The error is [ErrNoOrigin].
func OriginOf(msg processor.Message) (processor.Destination, error) {
	if _, failed := msg.Headers()[republish.HeaderOriginalKey]; !failed {
		if origin, ok := givenUp(msg.Headers()); ok {
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

// givenUp is the origin, by x-death, of a message that the broker gave up at a delivery limit.
func givenUp(h processor.Headers) (processor.Destination, bool) {
	deaths, _ := h.List("x-death")
	for _, death := range deaths {
		d, _ := processor.Headers{"": death}.Table("")
		reason, _ := d.String("reason")
		exchange, known := d.String("exchange")
		keys, _ := d.List("routing-keys")
		if reason != "delivery_limit" || !known || len(keys) == 0 {
			continue
		}
		key, ok := keys[0].(string)
		return processor.Destination{Exchange: exchange, RoutingKey: key}, ok && max(len(key), len(exchange)) <= processor.MaxName
	}
	return processor.Destination{}, false
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
