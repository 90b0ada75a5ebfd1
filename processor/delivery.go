package processor

import (
	"context"
	"errors"
	"sync/atomic"
)

var (
	// ErrSettled is returned by the second settlement of a message. Nothing was sent.
	ErrSettled = errors.New("processor: message is settled already")

	// ErrStale is returned by a settlement that came after its channel was gone.
	// Nothing was sent, and nothing is owed: the broker delivers the message again.
	// It is not a failure of the handler.
	ErrStale = errors.New("processor: the channel of this message is gone; the broker delivers it again")
)

// Acknowledger sends settlements to a broker. A source supplies one, bound to the
// channel that the deliveries came from: a tag of another channel must never reach
// the broker, so an Acknowledger whose channel is gone returns [ErrStale].
//
// It is called at most once for each tag, from any goroutine.
type Acknowledger interface {
	// Ack says that the delivery is dealt with.
	Ack(tag uint64) error
	// Nack says that the delivery failed. It counts as an attempt.
	Nack(tag uint64, requeue bool) error
	// Release gives the delivery back untouched. Where the broker can tell the
	// difference it does not count as an attempt.
	Release(tag uint64) error
}

// Perishable is implemented by an [Acknowledger] whose channel can be lost, and by messages
// that settle through one. Where the channel is gone, the broker delivers the message again,
// and what is still done for this delivery may be done twice. It is for whoever runs a
// pipeline; processors see the end of the context of their Process.
type Perishable interface {
	// Life returns a context that ends when the channel is gone, with a cause that wraps
	// [ErrStale]. It is the same one for all deliveries of a channel.
	Life() context.Context
}

// Holder is implemented by an [Acknowledger] whose broker may keep a message that failed (Nack
// with requeue) for a while before it delivers it again. The others, and a message that was
// given back untouched, are delivered again at once.
type Holder interface {
	// Holds reports whether the broker does so with the messages of this channel.
	Holds() bool
}

// Delivery is the one [Message] of every broker.
type Delivery struct {
	envelope Envelope
	origin   Origin
	acks     Acknowledger
	tag      uint64
	state    atomic.Uint32
}

// The states of a delivery.
const (
	unsettled = iota
	settled
	failed   // and back in its queue
	released // to its queue
)

var (
	_ Message    = (*Delivery)(nil)
	_ Releaser   = (*Delivery)(nil)
	_ Perishable = (*Delivery)(nil)
)

// NewDelivery returns a message that settles through acks with tag. The delivery
// takes e over; the caller must not change its body or headers afterwards.
func NewDelivery(e Envelope, o Origin, acks Acknowledger, tag uint64) *Delivery {
	return &Delivery{envelope: e, origin: o, acks: acks, tag: tag}
}

// Body returns the payload.
func (d *Delivery) Body() []byte { return d.envelope.Body }

// Headers returns the application headers; it may be nil.
func (d *Delivery) Headers() Headers { return d.envelope.Headers }

// Properties returns the standard properties.
func (d *Delivery) Properties() Properties { return d.envelope.Properties }

// Origin returns where the message was taken from.
func (d *Delivery) Origin() Origin { return d.origin }

// Settled reports whether the delivery was acked, nacked or released, whatever came
// of it.
func (d *Delivery) Settled() bool { return d.state.Load() != unsettled }

// Returned reports whether the delivery was given back to its queue, by Release or by
// Nack with requeue, whatever came of it.
func (d *Delivery) Returned() bool { return d.state.Load() >= failed }

// Held reports whether the delivery failed, was given back to its queue, and is kept there for
// a while; see [Holder].
func (d *Delivery) Held() bool {
	h, ok := d.acks.(Holder)
	return ok && d.state.Load() == failed && h.Holds()
}

// Life is that of the delivery's channel; see [Perishable]. Where the source cannot tell, it
// never ends.
func (d *Delivery) Life() context.Context {
	if p, ok := d.acks.(Perishable); ok {
		return p.Life()
	}
	return context.Background()
}

// Ack settles the delivery as dealt with. It returns [ErrSettled] if it was settled
// before, and [ErrStale] if its channel is gone.
//
// A settlement that fails is spent all the same: the channel it belongs to is then
// broken, and trying again, or nacking what an ack failed on, could only reach a
// delivery that is not ours.
func (d *Delivery) Ack() error {
	if !d.state.CompareAndSwap(unsettled, settled) {
		return ErrSettled
	}
	return d.acks.Ack(d.tag)
}

// Nack settles the delivery as failed; see [Delivery.Ack] for its errors.
func (d *Delivery) Nack(requeue bool) error {
	state := uint32(settled)
	if requeue {
		state = failed
	}
	if !d.state.CompareAndSwap(unsettled, state) {
		return ErrSettled
	}
	return d.acks.Nack(d.tag, requeue)
}

// Release gives the delivery back untouched; see [Delivery.Ack] for its errors.
func (d *Delivery) Release() error {
	if !d.state.CompareAndSwap(unsettled, released) {
		return ErrSettled
	}
	return d.acks.Release(d.tag)
}

// Releaser is implemented by messages that can be given back untouched, without
// counting as a failed attempt, and that know whether they went back. It is for whoever
// runs a pipeline; processors have no use for it.
type Releaser interface {
	// Release gives the message back to its queue. It settles the message.
	Release() error
	// Returned reports whether the message was given back to its queue, by Release or
	// by Nack with requeue.
	Returned() bool
}
