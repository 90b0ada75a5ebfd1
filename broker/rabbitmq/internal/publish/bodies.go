package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// bodies knows which body sizes one connection takes. RabbitMQ answers a body over its
// max_message_size by closing the channel, and all else that waits there is in doubt. So a body
// larger than any before is first tried on a channel of its own, with zeros that go to no queue:
// RabbitMQ looks at the size before anything else.
type bodies struct {
	life    *life.Life
	session *failover.Session

	mu    sync.Mutex
	taken int     // bytes that the broker takes
	limit int     // the broker's limit; 0 while unknown
	asked *lookUp // in progress; nil if none is
}

const (
	// unasked is the largest body sent without a question. Should the limit be lower, the first
	// body over it closes the channel, and the limit is known.
	unasked = 4 << 10
	// firstAsked is the smallest size asked for.
	firstAsked = 64 << 10
	// usualLimit is the max_message_size of RabbitMQ 4.x by default.
	usualLimit = 16 << 20
)

// take returns [processor.ErrTooLarge] if the broker is known not to take a body of n bytes, and
// otherwise nil.
func (b *bodies) take(ctx context.Context, n int) error {
	for {
		asked, err := b.answer(n) //nolint:contextcheck // other callers wait too
		if asked == nil {
			return err
		}
		select {
		case <-asked.done:
		case <-ctx.Done():
			return life.Ended(ctx)
		}
		switch {
		case asked.err == nil:
		case b.session.Err() != nil:
			return errNotSent
		default:
			return nil // no answer: the message itself will tell
		}
	}
}

// answer returns what is known of n bytes, or the question that must be answered first.
func (b *bodies) answer(n int) (*lookUp, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case n <= max(b.taken, unasked) && (b.limit == 0 || n <= b.limit):
		return nil, nil //nolint:nilnil // it is taken
	case b.limit > 0:
		return nil, tooLarge(n, b.limit)
	case b.asked == nil:
		b.ask(next(n, b.taken))
	}
	return b.asked, nil
}

func tooLarge(n, limit int) error {
	return fmt.Errorf("%w: the body has %d bytes, the broker's max_message_size is %d", processor.ErrTooLarge, n, limit)
}

// next is the size asked for, for a body of n bytes: with powers of two there are few questions on
// one connection.
func next(n, taken int) int {
	switch {
	case n <= usualLimit:
		return max(firstAsked, 1<<bits.Len(uint(n-1)))
	case taken <= usualLimit:
		return usualLimit + 1 // finds the usual limit without sending all of n
	}
	return n
}

// ask starts a question. The caller holds mu.
func (b *bodies) ask(n int) {
	q := &lookUp{done: make(chan struct{})}
	b.asked = q
	started := b.life.Go(func() { b.answered(q, n, b.try(n)) })
	if !started {
		b.asked, q.err = nil, life.ErrClosed
		close(q.done)
	}
}

// answered notes the broker's answer to a body of n bytes.
func (b *bodies) answered(q *lookUp, n int, err error) {
	limit, told := reply.SizeLimit(err)
	if told {
		b.learn(limit)
		err = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && !told {
		b.taken = max(b.taken, n)
	}
	b.asked, q.err = nil, err
	close(q.done)
}

// learn notes the broker's limit.
func (b *bodies) learn(limit int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken, b.limit = limit, limit
}

// try publishes a body of n bytes that goes to no queue. It returns nil if the broker took it, and
// otherwise why the broker closed the channel.
func (b *bodies) try(n int) error {
	ch, err := b.session.Channel(context.Background()) // it ends with the session
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Confirm(false); err != nil {
		return err
	}
	confirm, err := ch.PublishWithDeferredConfirm("", "warren-size-"+rand.Text(), false, false, amqp.Publishing{Body: make([]byte, n)})
	if err != nil {
		return err
	}
	<-confirm.Done() // the answer, or the end of the channel
	if confirm.Acked() {
		return nil
	}
	if !ch.IsClosed() {
		return errors.New("the broker has nacked what no queue takes")
	}
	e := <-closed
	switch {
	case e == nil:
		return amqp.ErrClosed
	case e.Code == amqp.AccessRefused:
		return nil // forbidden on the default exchange, but the size was checked first
	}
	return e
}
