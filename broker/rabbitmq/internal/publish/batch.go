package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/processor"
)

var _ processor.BatchPublisher = (*Publisher)(nil)

// PublishBatch sends the messages on one channel, one after the other, while it waits for their
// confirms. If that channel is replaced, the batch goes on with the next one, once all that was sent
// is confirmed. If one is not, the rest is not sent.
func (p *Publisher) PublishBatch(ctx context.Context, to processor.Destination, messages []processor.Envelope) []error {
	b := &batch{publisher: p, to: to, errs: make([]error, len(messages))}
	switch {
	case !b.prepare(messages):
	case b.isTagged():
		b.run(ctx)
	default:
		return processor.PublishBatch(ctx, processor.PublisherFunc(p.Publish), to, messages)
	}
	for _, err := range b.errs {
		if err != nil {
			return b.errs
		}
	}
	return nil
}

// batch is one call of PublishBatch.
type batch struct {
	publisher *Publisher
	to        processor.Destination
	messages  []processor.Envelope // prepared
	errs      []error              // each is written where the outcome is known
	unfit     int                  // the message that the channel does not take; 0 if there is none
}

// sent is a message that waits for its confirm.
type sent struct {
	index   int
	channel *confirmChannel
	publish *publish
	confirm *amqp.DeferredConfirmation
}

// isTagged reports whether all messages have room for a tag. One that has not needs a channel of its own,
// and so the batch is published one by one.
func (b *batch) isTagged() bool {
	frame := b.publisher.frameSize()
	return !slices.ContainsFunc(b.messages, func(e processor.Envelope) bool { return !takesTag(e, frame) })
}

// prepare returns false if there is a message that cannot be sent.
func (b *batch) prepare(messages []processor.Envelope) bool {
	b.messages = make([]processor.Envelope, len(messages))
	for i, e := range messages {
		var err error
		if b.messages[i], err = broker.Prepare(b.to, e); err != nil {
			b.fail(0, i, fmt.Errorf("rabbitmq: publish to %s: %w", b.to, err))
			return false
		}
	}
	return true
}

// fail notes why the message at index was not sent, and that because of it those from first on were
// not.
func (b *batch) fail(first, index int, err error) {
	for i := first; i < len(b.errs); i++ {
		b.errs[i] = fmt.Errorf("rabbitmq: publish to %s: %w: message %d", b.to, processor.ErrSkipped, index+1)
	}
	b.errs[index] = err
}

// errReplaced ends what a batch sends on one channel.
var errReplaced = errors.New("the channel of the batch was replaced")

// run sends the messages, on one channel after the other.
func (b *batch) run(ctx context.Context) {
	for from := 0; ; {
		stopped, err := b.runOnOne(ctx, from)
		if err == nil {
			return
		}
		if !errors.Is(err, errReplaced) || slices.ContainsFunc(b.errs[from:stopped], func(err error) bool { return err != nil }) {
			b.fail(stopped, max(stopped, b.unfit), err)
			return
		}
		from = stopped
	}
}

// runOnOne sends messages on one channel and collects the answers in a goroutine of its own: an
// answered message frees its slot on the channel, which other batches may be waiting for. It returns
// when all that it has sent is answered: where it has stopped, and why.
func (b *batch) runOnOne(ctx context.Context, from int) (stopped int, err error) {
	waiting := make(chan sent, len(b.messages)-from)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.collect(ctx, waiting)
	}()
	stopped, err = b.send(ctx, from, waiting)
	close(waiting)
	<-done
	return stopped, err
}

// overdue is how long a message is waited for in its turn.
const overdue = 100 * time.Millisecond

// collect waits for one answer after the other. An overdue one is waited for in a goroutine of its
// own: the others may have been answered, such as by another queue, and hold their slots on the
// channel until that is seen.
func (b *batch) collect(ctx context.Context, waiting <-chan sent) {
	var late sync.WaitGroup
	defer late.Wait()
	patience := overdue
	for s := range waiting {
		if s.answered(patience) {
			b.await(ctx, s)
			patience = overdue
			continue
		}
		late.Go(func() { b.await(ctx, s) })
		patience = 0
	}
}

func (b *batch) await(ctx context.Context, s sent) {
	b.errs[s.index] = b.publisher.await(ctx, s.channel, s.publish, s.confirm)
}

// answered reports whether the answer comes within d.
func (s sent) answered(d time.Duration) bool {
	select {
	case <-s.confirm.Done():
		return true
	default:
	}
	if d == 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.confirm.Done():
		return true
	case <-t.C:
		return false
	}
}

// send sends the messages in order, from one on. It returns which it has not sent, and why.
func (b *batch) send(ctx context.Context, from int, waiting chan<- sent) (int, error) {
	var channel *confirmChannel
	for i := from; i < len(b.messages); {
		if ctx.Err() != nil {
			return i, fmt.Errorf("rabbitmq: publish to %s: not sent: %w", b.to, life.Ended(ctx))
		}
		s, err := b.sendOne(ctx, i, channel)
		switch {
		case err == nil:
			channel = s.channel
			waiting <- s
			i++
		case !errors.Is(err, errNotSent):
			return i, err
		case i > from:
			return i, fmt.Errorf("rabbitmq: publish to %s: %w: %w", b.to, processor.ErrSkipped, errReplaced)
		}
	}
	return len(b.messages), nil
}

// sendOne sends a message on the channel of the messages before it, or on any if that is nil.
func (b *batch) sendOne(ctx context.Context, i int, channel *confirmChannel) (sent, error) {
	c, err := b.publisher.ready(ctx, b.to, b.messages[i])
	if err != nil {
		return sent{}, err
	}
	switch {
	case channel == nil:
		if err := b.check(ctx, c, i); err != nil {
			c.doneWith()
			return sent{}, err
		}
	case c != channel:
		c.doneWith()
		return sent{}, errNotSent
	}
	pub := &publish{to: b.to, message: c.publishing(ctx, b.messages[i]), unusual: unusual(b.to, b.messages[i])}
	confirm, err := c.send(ctx, pub)
	c.doneWith()
	if err != nil {
		return sent{}, err
	}
	return sent{index: i, channel: c, publish: pub, confirm: confirm}, nil
}

// check finds, before the first message is sent on a channel, one from there on that it does not take.
func (b *batch) check(ctx context.Context, c *confirmChannel, from int) error {
	b.unfit = 0
	for i, e := range b.messages[from:] {
		err := c.takes(b.to, e)
		if err == nil {
			err = c.learned.bodies.take(ctx, len(e.Body))
		}
		if err != nil {
			b.unfit = from + i
			return fmt.Errorf("rabbitmq: publish to %s: %w", b.to, err)
		}
	}
	return nil
}
