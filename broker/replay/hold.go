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

// hold takes messages from a queue, and holds those that stay. A subscription hands out
// nothing more when as many messages are held as its prefetch allows, so then the next
// page begins: another subscription, twice as large.
type hold struct {
	broker Broker
	queue  string
	pages  []*page

	seed    maphash.Seed
	marks   map[uint64]struct{} // of what was kept
	suspect bool                // something that was kept may have come by again
}

func newHold(b Broker, queue string) *hold {
	return &hold{broker: b, queue: queue, seed: maphash.MakeSeed(), marks: map[uint64]struct{}{}}
}

// page is one subscription. Its messages are unsettled, and so the broker's to give back.
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

// room sees to it that there is a page with room.
func (h *hold) room(ctx context.Context) error {
	size := firstPage
	if p := h.current(); p != nil {
		if p.held < p.size {
			return nil
		}
		// All of it is held. Paused, it takes nothing for itself when the connection
		// is lost, and what it held comes to the current page.
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

// mark is the same for the same message. Others may share it.
func (h *hold) mark(msg processor.Message) uint64 {
	var m maphash.Hash
	m.SetSeed(h.seed)
	_, _ = m.WriteString(msg.Properties().ID) // neither fails
	_, _ = m.Write(msg.Body())
	return m.Sum64()
}

// end takes no more messages. It returns errLost if something that is held has gone back
// before its time, because a channel was lost.
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

// paused returns when sub takes nothing more, and what was not received is back.
func paused(ctx context.Context, sub broker.Subscription) error {
	select {
	case <-sub.Pause():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// giveBack gives back all that is held, page by page, so that it keeps its order also on a
// queue that does not take messages back to their old places. Whoever counts the queue when it
// returns finds them there.
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
