package ordered

import (
	"fmt"
	"strconv"

	"github.com/gowarren/warren/processor"
)

// Key returns what msg belongs to, such as the number of a customer. Messages with equal
// keys are processed one after the other; those with the key "" in no order, at once. It is
// called once for each message, before any layer: msg is as it came from the broker.
// (Where nothing admits messages, it is called when the message comes to this layer.) It
// should be quick and must not block, since no other message is taken meanwhile. A panic is
// an error of the message, which is not processed, and holds up no other.
//
// A key may be anything that a sender wrote, of any length. It is not kept.
type Key func(msg processor.Message) string

// ByRoutingKey makes the key of the routing key that the message was last published with.
// A message that was retried through another queue may have come back with another one.
func ByRoutingKey(msg processor.Message) string { return msg.Origin().RoutingKey }

// ByHeader makes the key of the header name, a text or a whole number. Messages that lack
// it, or hold something else in it, are in no order. For the name "", which would order
// nothing, it returns nil, and a stack refuses that.
func ByHeader(name string) Key {
	if name == "" {
		return nil
	}
	return func(msg processor.Message) string {
		if text, ok := msg.Headers().String(name); ok {
			return text
		}
		if n, ok := msg.Headers().Int64(name); ok {
			return strconv.FormatInt(n, 10)
		}
		return ""
	}
}

// make calls the function and returns its panic as an error.
func (k Key) make(msg processor.Message) (key string, problem error) {
	returned := false
	defer func() {
		if !returned {
			problem = &keyError{recover()}
		}
	}()
	key = k(msg)
	returned = true
	return key, nil
}

// keyError is the failure of a message whose key could not be made. It does not unwrap: a
// decision inside the value was not made about this message.
type keyError struct{ value any }

func (e *keyError) Error() string {
	return fmt.Sprintf("ordered: the key function panicked: %v", e.value)
}
