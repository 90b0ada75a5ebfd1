package watermill

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
)

// ErrRejected is the reason that a [DeadLetter] is given where a message was nacked without
// requeue, and nobody said why.
var ErrRejected = errors.New("the message was nacked without requeue")

// DeadLetter takes a message that must not be delivered again. It is a parameter, and not an
// option, because Watermill has no dead-lettering that could be the default: without a place
// for it, such a message comes back for ever or is lost.
//
// topic is where the message came from, "" where that is not known; err is why it was
// rejected, never nil. nil says that the message is taken care of, and it is acked. An error
// gives it back to its topic; it should wrap err. A DeadLetter may be called by many
// goroutines at once, and must not settle or change the message. msg.Context() bounds it.
type DeadLetter func(msg *message.Message, topic string, err error) error

// What Watermill's PoisonQueue writes into the metadata of a message.
const (
	poisonReason     = "reason_poisoned"
	poisonTopic      = "topic_poisoned"
	poisonHandler    = "handler_poisoned"
	poisonSubscriber = "subscriber_poisoned"
)

// maxReason is the most bytes of the reason in a poisoned message.
const maxReason = 512

// Poison publishes rejected messages to another topic, with the metadata of Watermill's
// PoisonQueue: reason_poisoned, at most 512 bytes of it, topic_poisoned, handler_poisoned and
// subscriber_poisoned.
func Poison(publisher message.Publisher, topic string) DeadLetter {
	if publisher == nil || topic == "" {
		return nil // refused where it is passed to
	}
	return func(msg *message.Message, from string, err error) error {
		poisoned := msg.Copy()
		poisoned.SetContext(msg.Context())
		delete(poisoned.Metadata, delay.DelayedUntilKey)
		delete(poisoned.Metadata, delay.DelayedForKey)
		poisoned.Metadata[poisonReason] = excerpt.Error(err, maxReason)
		poisoned.Metadata[poisonTopic] = from
		poisoned.Metadata[poisonHandler] = message.HandlerNameFromCtx(msg.Context())
		poisoned.Metadata[poisonSubscriber] = message.SubscriberNameFromCtx(msg.Context())
		if problem := publisher.Publish(topic, poisoned); problem != nil {
			return fmt.Errorf("watermill: publish to the poison topic %q: %w; the message was rejected with: %w", topic, problem, err)
		}
		return nil
	}
}

// Discard drops rejected messages, as RabbitMQ does where a queue has no dead-letter
// exchange, and logs each at level error, without its body. l may be nil, for slog.Default()
// at the time.
func Discard(l *slog.Logger) DeadLetter {
	return func(msg *message.Message, topic string, err error) error {
		logattr.Or(l).LogAttrs(msg.Context(), slog.LevelError, "message rejected, and dropped",
			slog.String("topic", topic), slog.String("message_id", excerpt.Of(msg.UUID, maxReason)), logattr.Err(err))
		return nil
	}
}

// Return returns the reason: for a [Middleware] inside a middleware of Watermill's that takes
// rejected messages, such as PoisonQueueWithFilter. Without one they come back for ever.
func Return(_ *message.Message, _ string, err error) error { return err }
