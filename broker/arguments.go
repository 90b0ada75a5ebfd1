package broker

import (
	"maps"

	"github.com/gowarren/warren/processor"
)

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

// DeclaredType is the Type of q, or the argument x-queue-type, which may be any type of the
// broker's; "" leaves it to the vhost.
func (q Queue) DeclaredType() QueueType {
	kind, _ := q.AllArguments().String("x-queue-type")
	return QueueType(kind)
}

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
	if q.DeliveryLimit > 0 {
		args["x-delivery-limit"] = int64(q.DeliveryLimit)
	}
	if q.DelayedRetry != nil {
		args["x-delayed-retry-type"] = "failed"
		args["x-delayed-retry-min"] = q.DelayedRetry.Min.Milliseconds()
		args["x-delayed-retry-max"] = q.DelayedRetry.Max.Milliseconds()
	}
	return args
}

// onWire makes 5 and int64(5) equal. Values that cannot be sent stay as they are.
func onWire(h processor.Headers) processor.Headers {
	prepared, err := prepareArguments(h)
	if err != nil {
		return h
	}
	return prepared
}
