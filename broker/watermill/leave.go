package watermill

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// heed is how long a subscriber has to notice the settlement of its last messages before the
// subscription ends: it forgets the others.
const heed = 500 * time.Millisecond

// How long a subscriber that has ended may take to close its channel, and how long until then it may deliver nothing.
const (
	letGo   = 5 * time.Minute
	nothing = time.Minute
)

// A subscriber that does not heed its end may redeliver each message at once. So there is a pause after so many.
const (
	nackedAtOnce = 100
	nackPause    = time.Second
)

// stop ends the intake. What was not received is requeued at once, or once the messages in flight
// are settled.
func (p *part) stop() {
	p.mu.Lock()
	p.halt()
	idle := len(p.inHand) == 0
	p.mu.Unlock()
	if idle {
		p.leave(nil)
	}
}

// close nacks the messages in flight, and ends the part. Its channel is lost by now.
func (p *part) close() {
	p.mu.Lock()
	p.halt()
	inHand := p.inHand
	p.inHand = nil
	p.mu.Unlock()
	p.leave(inHand)
}

// halt is called with mu held, so that nothing is taken after it.
func (p *part) halt() { p.halting.Do(func() { close(p.stopped) }) }

// leave ends the subscription in a goroutine, which ends when the subscriber has closed its
// channel, or is left behind. Only unsettled is still in flight.
func (p *part) leave(unsettled map[uint64]*message.Message) {
	p.leaving.Do(func() {
		p.mu.Lock()
		settled := p.settled
		p.mu.Unlock()
		go func() {
			defer close(p.drained)
			await(settled)
			p.end()
			// If nacked earlier, a message would be redelivered to this very subscription.
			for _, msg := range unsettled {
				msg.Nack()
			}
			giveBack(p.messages, p.topic)
		}()
	})
}

// left waits for the end of that goroutine.
func (p *part) left(ctx context.Context) error {
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("watermill: the subscriber has not let go of topic %q: %w", p.topic, ctx.Err())
	}
}

// remember keeps the context of a settled message until its subscriber has ended it. It is called
// with mu held.
func (p *part) remember(settled context.Context) {
	p.settled = slices.DeleteFunc(p.settled, func(ctx context.Context) bool { return ctx.Err() != nil })
	if len(p.settled) == cap(p.room) {
		p.settled = slices.Delete(p.settled, 0, 1) // the subscriber may end none
	}
	p.settled = append(p.settled, settled)
}

func await(settled []context.Context) {
	patience := time.NewTimer(heed)
	defer patience.Stop()
	for _, ctx := range settled {
		select {
		case <-ctx.Done():
		case <-patience.C:
			return
		}
	}
}

// giveBack nacks what still arrives from a subscription that has ended, until it is closed. Some
// subscribers wait for that. One that does not close it, as it must, is left behind: nothing could go on after it.
func giveBack(messages <-chan *message.Message, topic string) {
	if messages == nil {
		return
	}
	start, patience := time.Now(), time.NewTimer(nothing)
	defer patience.Stop()
	for n := 1; ; n++ {
		select {
		case msg, open := <-messages:
			if !open {
				return
			}
			if msg != nil {
				msg.Nack()
			}
			if n%nackedAtOnce == 0 {
				time.Sleep(nackPause)
			}
			patience.Reset(min(nothing, letGo-time.Since(start)))
			continue
		case <-patience.C:
		}
		slog.Warn("a subscriber has not closed its channel, and is left behind",
			slog.String("topic", topic), slog.Duration("for", time.Since(start)))
		return
	}
}
