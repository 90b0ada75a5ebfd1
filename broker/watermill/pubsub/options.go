package pubsub

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
)

// SubscriberOption changes how a [Subscriber] delivers messages.
type SubscriberOption func(*subscriberOptions)

type subscriberOptions struct {
	inFlight     int
	prefetch     int
	closeTimeout time.Duration
	nackPause    time.Duration
	log          *slog.Logger
}

// InFlight is how many messages of one subscription may be delivered and not yet acked or nacked.
// With more than one their handlers run at the same time, in no promised order; Watermill's router
// starts a goroutine for each message. Default: 1, which keeps the order of the queue.
func InFlight(n int) SubscriberOption { return func(o *subscriberOptions) { o.inFlight = n } }

// Prefetch is how many messages of one subscription the broker sends ahead, including those in
// flight. More than are in flight saves a round trip for each message. The order stays the queue's,
// except that a nacked message is redelivered after those already sent; and messages sent ahead
// wait for this subscriber alone. Default, and minimum: as many as may be in flight.
func Prefetch(n int) SubscriberOption { return func(o *subscriberOptions) { o.prefetch = n } }

// CloseTimeout is how long messages in flight may take to be acked or nacked after Close was
// called, or the context of Subscribe has ended. Then their contexts end; within a second the rest
// are requeued. 0 ends the contexts at once. Default: 10 seconds, which is less than the 30 that
// Watermill's router waits for its handlers.
func CloseTimeout(d time.Duration) SubscriberOption {
	return func(o *subscriberOptions) { o.closeTimeout = d }
}

// NackPause is the longest time that a place in flight stays empty after its message was nacked.
// The message itself is requeued at once. The pause begins with a millisecond and doubles with each
// further nack until an ack, so that a message which always fails is no busy loop. 0 is no pause.
// Default: 50 milliseconds.
func NackPause(most time.Duration) SubscriberOption {
	return func(o *subscriberOptions) { o.nackPause = most }
}

// Logger sets where subscriptions log the loss of a queue, their answer to it, and messages left in
// flight. Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) SubscriberOption { return func(o *subscriberOptions) { o.log = l } }

var errNoBroker = errors.New("pubsub: the broker is nil")

func newSubscriberOptions(opts []SubscriberOption) (subscriberOptions, error) {
	o := subscriberOptions{inFlight: 1, closeTimeout: 10 * time.Second, nackPause: 50 * time.Millisecond}
	if err := option.Apply("pubsub", &o, opts); err != nil {
		return o, err
	}
	if o.prefetch == 0 {
		o.prefetch = o.inFlight
	}
	o.log = logattr.Or(o.log)
	switch {
	case o.inFlight < 1:
		return o, fmt.Errorf("pubsub: %d messages in flight: it must be at least 1", o.inFlight)
	case o.prefetch < o.inFlight:
		return o, fmt.Errorf("pubsub: prefetch %d with %d messages in flight: it must be at least as many", o.prefetch, o.inFlight)
	}
	return o, errors.Join(option.NotNegative("pubsub: the close timeout", o.closeTimeout), option.NotNegative("pubsub: the nack pause", o.nackPause))
}

// PublisherOption changes how a [Publisher] publishes.
type PublisherOption func(*publisherOptions)

type publisherOptions struct {
	timeout    time.Duration
	unroutable bool
}

// Timeout is how long one call of Publish may take, including the waits for a connection and for
// the confirms of all its messages. The messages' contexts may end it sooner. Default: 30 seconds.
func Timeout(d time.Duration) PublisherOption { return func(o *publisherOptions) { o.timeout = d } }

// AllowUnroutable makes a publish succeed that no queue takes, as with watermill-amqp: the broker
// has then dropped the message. It is for events that need no listener. Default:
// [processor.ErrUnroutable].
func AllowUnroutable() PublisherOption { return func(o *publisherOptions) { o.unroutable = true } }

func newPublisherOptions(opts []PublisherOption) (publisherOptions, error) {
	o := publisherOptions{timeout: 30 * time.Second}
	if err := option.Apply("pubsub", &o, opts); err != nil {
		return o, err
	}
	return o, option.Positive("pubsub: the timeout", o.timeout)
}
