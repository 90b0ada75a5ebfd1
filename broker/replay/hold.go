package replay

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// The prefetch of the first page and of the largest.
const (
	firstPage = 64
	largePage = 4096
)

// hold takes messages from a queue, and holds those that stay. When a subscription holds as many
// as its prefetch allows, it delivers no more, and the next page begins: another subscription
// with twice the prefetch.
type hold struct {
	broker Broker
	queue  string
	pages  []*page

	seed    maphash.Seed
	marks   map[uint64]struct{} // of held messages
	suspect bool                // a held message may have been redelivered
}

func newHold(b Broker, queue string) *hold {
	return &hold{broker: b, queue: queue, seed: maphash.MakeSeed(), marks: map[uint64]struct{}{}}
}

// page is one subscription. The broker requeues its unsettled messages when it is closed.
type page struct {
	sub   broker.Subscription
	size  int
	held  int
	first *broker.Delivery // that is held
}

// current is the page that messages are taken from, nil before there is one.
func (h *hold) current() *page {
	if len(h.pages) == 0 {
		return nil
	}
	return h.pages[len(h.pages)-1]
}

// room makes the next page if the current one is full.
func (h *hold) room(ctx context.Context) error {
	size := firstPage
	if p := h.current(); p != nil {
		if p.held < p.size {
			return nil
		}
		// All its messages are held. Paused, it takes none when the connection
		// is lost, and its messages come to the current page.
		if err := paused(ctx, p.sub); err != nil {
			return err
		}
		size = min(2*p.size, largePage)
	}
	sub, err := h.broker.Source(h.queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: size})
	if err != nil {
		return err
	}
	h.pages = append(h.pages, &page{sub: sub, size: size})
	return nil
}

// next waits for the next message.
func (h *hold) next(ctx context.Context) (*broker.Delivery, error) {
	msg, err := h.current().sub.Receive(ctx)
	if err == nil && msg.Origin().Redelivered {
		_, again := h.marks[h.mark(msg)]
		h.suspect = h.suspect || again
	}
	return msg, err
}

// keep holds msg, the last one that next returned.
func (h *hold) keep(msg *broker.Delivery) {
	p := h.current()
	if p.held++; p.first == nil {
		p.first = msg
	}
	h.marks[h.mark(msg)] = struct{}{}
}

// mark is a hash of the message. Different messages may share it.
func (h *hold) mark(msg processor.Message) uint64 {
	var m maphash.Hash
	m.SetSeed(h.seed)
	_, _ = m.WriteString(msg.Properties().ID) // neither fails
	_, _ = m.Write(msg.Body())
	return m.Sum64()
}

// end takes no more messages. It returns errLost if held messages have gone back early, because
// a channel was lost.
func (h *hold) end(ctx context.Context) error {
	p := h.current()
	if p == nil {
		return nil
	}
	if err := paused(ctx, p.sub); err != nil || !h.suspect {
		return err
	}
	for _, p := range h.pages {
		if p.first != nil && p.first.Lost() {
			return errLost
		}
	}
	return nil
}

// paused pauses sub and waits until the messages that were not received are back.
func paused(ctx context.Context, sub broker.Subscription) error {
	select {
	case <-sub.Pause():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// giveBack gives back all held messages, page by page, so that they keep their order also on a
// queue that does not take messages back to their old places. It waits until the queue counts
// them.
func (h *hold) giveBack(ctx context.Context) error {
	errs := make([]error, len(h.pages))
	for i, p := range h.pages {
		before, err := h.broker.Ready(ctx, h.queue)
		errs[i] = p.sub.Close(ctx)
		if err == nil {
			h.await(ctx, before+p.held)
		}
	}
	return errors.Join(errs...)
}

// await waits until the queue has n messages, but not for long: others may take some.
func (h *hold) await(ctx context.Context, n int) {
	for wait := time.Millisecond; wait < 500*time.Millisecond; wait *= 2 {
		if ready, err := h.broker.Ready(ctx, h.queue); err != nil || ready >= n {
			return
		}
		time.Sleep(wait)
	}
}
