package stack_test

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// tally stands in for a broker: it counts what it is told. It is for one goroutine.
type tally struct{ acked, nacked, published int }

var (
	_ broker.Acknowledger = (*tally)(nil)
	_ processor.Publisher = (*tally)(nil)
	_ message.Publisher   = watermillPublisher{}
)

func (t *tally) Ack(uint64) error {
	t.acked++
	return nil
}

func (t *tally) Nack(uint64, bool) error {
	t.nacked++
	return nil
}

func (t *tally) Release(tag uint64) error { return t.Nack(tag, true) }

func (t *tally) Publish(context.Context, processor.Destination, processor.Envelope) error {
	t.published++
	return nil
}

func (t *tally) times(n int) tally {
	return tally{acked: n * t.acked, nacked: n * t.nacked, published: n * t.published}
}

// watermillPublisher is the tally as Watermill wants it.
type watermillPublisher struct{ *tally }

func (p watermillPublisher) Publish(_ string, messages ...*message.Message) error {
	p.published += len(messages)
	return nil
}

func (p watermillPublisher) Close() error { return nil }
