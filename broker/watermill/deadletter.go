package watermill

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// ErrRejected is the reason that a [DeadLetter] gets for a message nacked without requeue and
// without an error.
var ErrRejected = errors.New("the message was nacked without requeue")

// DeadLetter takes a message that must not be delivered again. It is a parameter, and not an
// option, because Watermill has no dead-lettering as a default: without a place for it, such a
// message is redelivered without end or lost.
//
// topic is where the message came from, "" if unknown; err is why it was rejected, never nil. If
// DeadLetter returns nil it has dealt with the message, which is acked. An error, which should wrap
// err, requeues it to its topic, and so does a panic. A DeadLetter may be called concurrently, and must not settle or
// change the message. msg.Context() bounds it.
type DeadLetter func(msg *message.Message, topic string, err error) error

// take calls it.
func (dead DeadLetter) take(msg *message.Message, topic string, reason error) error {
	var err error
	if problem := callback.After("watermill: the DeadLetter", reason, func() { err = dead(msg, topic, reason) }); problem != nil {
		return problem
	}
	return err
}

// Metadata that Watermill's PoisonQueue writes.
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
	if processor.Check(publisher) != nil || topic == "" {
		return nil // refused by the function that gets it
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

// Discard drops rejected messages, as RabbitMQ does without a dead-letter exchange, and logs each
// at level error, without its body. l may be nil, for slog.Default() at the time.
func Discard(l *slog.Logger) DeadLetter {
	return func(msg *message.Message, topic string, err error) error {
		logattr.Or(l).LogAttrs(msg.Context(), slog.LevelError, "message rejected, and dropped",
			slog.String("topic", topic), slog.String("message_id", excerpt.Of(msg.UUID, maxReason)), logattr.Err(err))
		return nil
	}
}

// Return returns the reason: for a [Middleware] inside a Watermill middleware that takes rejected
// messages, such as PoisonQueueWithFilter. Without one they are redelivered without end.
func Return(_ *message.Message, _ string, err error) error { return err }
