package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
)

// Delivery is the one [processor.Message] of every broker.
type Delivery struct {
	envelope processor.Envelope
	origin   processor.Origin
	acks     Acknowledger
	tag      uint64
	channel  *Channel // nil if it is never lost
	state    atomic.Uint32
	stale    atomic.Bool // a settlement came after its channel was gone
}

// The states of a delivery.
const (
	unsettled = iota
	settled
	failed   // and back in its queue
	released // to its queue
)

var _ processor.Message = (*Delivery)(nil)

// NewDelivery returns a message that settles through acks with tag. The delivery
// takes e over; the caller must not change its body or headers afterwards. It belongs to no
// channel that could be lost; see [Channel.Deliver].
func NewDelivery(e processor.Envelope, o processor.Origin, acks Acknowledger, tag uint64) *Delivery {
	return &Delivery{envelope: e, origin: o, acks: acks, tag: tag}
}

// Body returns the payload.
func (d *Delivery) Body() []byte { return d.envelope.Body }

// Headers returns the application headers; it may be nil.
func (d *Delivery) Headers() processor.Headers { return d.envelope.Headers }

// Properties returns the standard properties.
func (d *Delivery) Properties() processor.Properties { return d.envelope.Properties }

// Origin returns where the message was taken from.
func (d *Delivery) Origin() processor.Origin { return d.origin }

// Settled reports whether the delivery was acked, nacked or released, whether that worked or
// not.
func (d *Delivery) Settled() bool { return d.state.Load() != unsettled }

// Returned reports whether the delivery was given back to its queue, by Release or by
// Nack with requeue, whether that worked or not.
func (d *Delivery) Returned() bool { return d.state.Load() >= failed }

// Held reports whether the delivery failed, was given back to its queue, and is delayed there;
// see [Channel].
func (d *Delivery) Held() bool {
	return d.channel != nil && d.channel.HoldsFailed && d.state.Load() == failed
}

// Context is the context to process the message with. It ends with the Base of its
// subscription, and when its channel is lost, with a cause that wraps [processor.ErrStale].
// All deliveries of a channel have the same.
func (d *Delivery) Context() context.Context {
	if d.channel == nil {
		return unlosable
	}
	return d.channel.handlers
}

// unlosable is the context of the deliveries without a channel.
var unlosable = processor.WithChannel(context.Background(), context.Background())

// Lost reports whether the channel of the delivery is gone, so that the broker redelivers the
// message.
func (d *Delivery) Lost() bool { return d.channel != nil && d.channel.Lost() }

// Ack settles the delivery as processed. It returns [processor.ErrSettled] if it was settled
// before, and [processor.ErrStale] if its channel is gone.
//
// A settlement that fails cannot be repeated: its channel is then broken, and trying again,
// or nacking after a failed ack, could only reach a delivery of another channel. If it came too
// late, so does every other: their errors wrap [processor.ErrStale] as well.
func (d *Delivery) Ack() error {
	if !d.state.CompareAndSwap(unsettled, settled) {
		return d.again()
	}
	return d.sent(d.acks.Ack(d.tag))
}

// sent notes the result of the settlement.
func (d *Delivery) sent(err error) error {
	if errors.Is(err, processor.ErrStale) {
		d.stale.Store(true)
	}
	return err
}

// again is the error of a settlement that is not the first.
func (d *Delivery) again() error {
	if d.stale.Load() {
		return errSpent
	}
	return processor.ErrSettled
}

// errSpent is the error of a settlement after one that came too late.
var errSpent = fmt.Errorf("%w (%w)", processor.ErrStale, processor.ErrSettled)

// Nack settles the delivery as failed; see [Delivery.Ack] for its errors. With requeue it may wait
// before; see [SubscribeOptions.Returning].
func (d *Delivery) Nack(requeue bool) error {
	state := uint32(settled)
	if requeue {
		state = failed
	}
	if !d.state.CompareAndSwap(unsettled, state) {
		return d.again()
	}
	if requeue {
		d.goesBack()
	}
	return d.sent(d.acks.Nack(d.tag, requeue))
}

// Release gives the delivery back untouched, which does not count as a failed attempt where the
// broker can tell the difference. It is for runners of pipelines; see [Delivery.Ack] for its errors.
func (d *Delivery) Release() error {
	if !d.state.CompareAndSwap(unsettled, released) {
		return d.again()
	}
	d.goesBack()
	return d.sent(d.acks.Release(d.tag))
}

// goesBack lets whoever subscribed hold the delivery for a moment.
func (d *Delivery) goesBack() {
	if c := d.channel; c != nil && c.returning != nil && !d.Held() && !c.Lost() {
		c.returning(d, c.life.Done())
	}
}
