package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/internal/shortstring"
	"github.com/gowarren/warren/processor"
)

// Source is a queue to consume from.
type Source interface {
	// Subscribe starts a subscription. ctx bounds the call, not the subscription. After an error
	// there is nothing to close.
	Subscribe(ctx context.Context, o SubscribeOptions) (Subscription, error)
}

// SubscribeOptions set up a subscription. The zero value of each field but
// Prefetch is the default.
type SubscribeOptions struct {
	// Prefetch, at least 1, bounds how many messages may be delivered and not yet settled. Messages
	// in flight from before a pause may not count.
	Prefetch int
	// Ordered says that messages that go back together must be redelivered in their order.
	Ordered bool
	// Base is the parent of the contexts of the messages: they have its values, and end with it
	// or with their channel. nil is context.Background().
	Base context.Context //nolint:containedctx // as in http.Server.BaseContext, by value
	// FinishLost lets the contexts of the messages outlive their channel; [processor.Lost]
	// still reports the loss.
	FinishLost bool
	// Returning is called before a message goes back to its queue, where it would be delivered
	// again at once, in the goroutine that gives it back. It goes back when the call returns; lost
	// is closed when its channel is lost. nil: at once. It is not called where the broker holds the
	// message (see [Channel]), and not for what goes back with its channel.
	Returning func(d *Delivery, lost <-chan struct{})
	// Consumer has the options that are sent to the broker.
	Consumer ConsumerOptions
}

// Check returns what is wrong with the options.
func (o SubscribeOptions) Check() error {
	if o.Prefetch < 1 {
		return fmt.Errorf("prefetch is %d: it must be at least 1", o.Prefetch)
	}
	return o.Consumer.check()
}

// ConsumerOptions are sent to the broker with a consumer. A source whose broker does not support
// one refuses it with [ErrUnsupported].
type ConsumerOptions struct {
	// Tag names the consumer in the broker's management. Default: "warren". Several consumers
	// may have the same one.
	Tag string
	// Priority is that of the consumer, not of its messages: one with a lower priority gets
	// messages only while those with a higher one have no room. Default: 0; it may be negative.
	Priority int
	// Exclusive makes the queue refuse other consumers.
	Exclusive bool
	// Offset is where a consumer of a stream begins: [OffsetFirst], [OffsetLast], [OffsetNext],
	// an int64 that is an offset, a time.Time, or how far back, such as "5D" or "30m". A stream needs one, and no other queue has
	// one. When the channel is lost, the next one goes on behind the last message that was
	// received, or with the oldest one that was not settled. If none was received, it begins as
	// the first one did: with [OffsetNext] it misses messages published meanwhile.
	Offset any
	// Arguments are more arguments of the broker's, under its names. nil is none.
	Arguments processor.Headers
}

// Where a consumer of a stream begins.
const (
	OffsetFirst = "first" // with the oldest message
	OffsetLast  = "last"  // with the latest chunk of messages
	OffsetNext  = "next"  // with the next message that is published
)

func (o ConsumerOptions) check() error {
	if len(o.Tag) > maxTag {
		return fmt.Errorf("the consumer's tag has %d bytes: it may have %d", len(o.Tag), maxTag)
	}
	if problem := shortstring.Problem(o.Tag); problem != "" {
		return fmt.Errorf("the consumer's tag %s", problem)
	}
	for _, own := range []string{"x-priority", "x-stream-offset"} {
		if _, there := o.Arguments[own]; there {
			return fmt.Errorf("the consumer's arguments have %s: set the option for it", own)
		}
	}
	return o.checkArguments()
}

// checkArguments refuses what would close the connection.
func (o ConsumerOptions) checkArguments() error {
	arguments, err := prepareArguments(o.Arguments)
	if err != nil {
		return fmt.Errorf("the consumer's arguments cannot be sent: %w", err)
	}
	if _, there := arguments["x-credit"]; there {
		return errors.New("the consumer's arguments have x-credit, which RabbitMQ keeps to itself: leave it out, and set the prefetch")
	}
	if filters, is := arguments["x-stream-filter"].([]any); is && !slices.ContainsFunc(filters, isText) {
		return errors.New("the consumer's x-stream-filter is a list without text: leave it out, or list what to receive")
	}
	if from, is := o.Offset.(string); is && !slices.Contains([]string{OffsetFirst, OffsetLast, OffsetNext}, from) && !age.MatchString(from) {
		return fmt.Errorf("the consumer's offset is %q: it must be first, last or next, or how far back, as a number and Y, M, D, h, m or s", from)
	}
	return nil
}

func isText(v any) bool {
	_, is := v.(string)
	return is
}

// AllArguments returns the arguments that the consumer is sent with, but for its offset, with the types
// that every broker carries.
func (o ConsumerOptions) AllArguments() processor.Headers {
	arguments := o.Arguments.Clone()
	if o.Priority != 0 {
		arguments["x-priority"] = o.Priority
	}
	return onWire(arguments)
}

// maxTag leaves room in the 255 bytes of the protocol.
const maxTag = 200

// Unsupported returns an error that names the options that are set, for a broker that has none
// of them, nil if none is set. A tag is only a name, and may be ignored.
func (o ConsumerOptions) Unsupported() error {
	var asked []error
	if o.Priority != 0 {
		asked = append(asked, errors.New("the consumer's priority"))
	}
	if o.Exclusive {
		asked = append(asked, errors.New("an exclusive consumer"))
	}
	if o.Offset != nil {
		asked = append(asked, errors.New("an offset"))
	}
	if len(o.Arguments) > 0 {
		asked = append(asked, errors.New("further arguments"))
	}
	if len(asked) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w: leave it out", ErrUnsupported, errors.Join(asked...))
}

// Subscription delivers the messages of one [Source]. Its methods may be called by
// many goroutines at once.
type Subscription interface {
	// Receive waits for the next message, also during a pause. It returns ctx's error when ctx
	// ends first, io.EOF after Close or when the source has ended, and any other error when
	// the source is broken for good. The source itself recovers from a lost connection.
	Receive(ctx context.Context) (*Delivery, error)
	// Pause stops Receive from delivering messages until Resume; none is delivered after Pause has
	// returned. Messages that were not received go back to the broker; if the order matters, when
	// none is in flight any more. Messages in flight can still be settled. Pause does not wait: the
	// channel that it returns is closed when all of those have gone back, or when the pause is over.
	// Pausing twice is pausing once.
	Pause() (back <-chan struct{})
	// Resume ends a pause, however often Pause was called. It does not wait.
	Resume()
	// Close ends the subscription and frees its resources. Messages that are still
	// unsettled, received or not, go back to the broker all at once and in the order in
	// which they came, ahead of those that were never delivered: a consumer that subscribes after
	// Close has returned nil gets them first. Settling them later returns [processor.ErrStale].
	// It works twice, and returns when ctx ends.
	Close(ctx context.Context) error
}
