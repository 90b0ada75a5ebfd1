package delay

import (
	"context"
	"fmt"
	"time"

	"github.com/gowarren/warren/processor"
)

const (
	// renewEvery is how often a queue is redeclared during a publish. That leaves the answer
	// the rest of the lease: 3 s and the delay.
	renewEvery = 2 * time.Second
	// spare is how much of the lease must be left when the message has waited. The broker's
	// timers are late under load, never early.
	spare = 2 * time.Second
)

// lease keeps a queue from expiring with a message that is published to it.
//
// The queue lives for the delay and the grace after each declare. It was declared after
// the call began, and so lives at least until the call's beginning + delay + grace: that
// is `until`.
//
// A message that is confirmed at c came to the queue before c, and leaves it at c + delay
// at the latest: all messages of a queue wait equally long, so none waits behind another. It
// is safe if the queue lives until then, without a break since the message came:
//
//   - The usual publish takes milliseconds, and `until` is nearly the grace after
//     c + delay. Nothing else is done.
//   - While a publish takes long, because a connection is blocked or being replaced, or
//     a confirm is late, the queue is redeclared, and again after the confirm
//     if too little of the lease would be left.
//   - A redeclare that is answered before `until` found the queue alive, and nothing was
//     lost. One that is answered later may have made a new queue, and the message may
//     be lost with the old one. Then its outcome is unknown, and the caller publishes it
//     again: perhaps a duplicate, never a loss.
//   - A redeclare that fails leaves `until` as it is: in doubt, the queue expires then.
//
// A message whose publish fails was not stored, or has an unknown outcome anyway. If the queue
// expired before the message came, so did its binding: the message is unroutable.
type lease struct {
	delay     time.Duration
	redeclare func(context.Context) error

	until  time.Time
	broken bool // the queue may have expired and been made anew
}

// during declares the queue, and keeps it alive while publish runs and for the delay after that.
func (l *lease) during(ctx context.Context, publish func() error) error {
	for range 2 { // the first call may have waited for a connection, for longer than the lease
		if err := l.extend(ctx); err != nil {
			return err
		}
	}
	l.broken = false // the message is not in the queue yet
	if err := l.keepWhile(ctx, publish); err != nil {
		return err
	}
	if err := l.extend(ctx); err != nil {
		return fmt.Errorf("delay: %w: it was confirmed late, and its queue could not be kept from expiring: %w", processor.ErrIndeterminate, err)
	}
	if l.broken {
		return fmt.Errorf("delay: %w: it was confirmed so late that its queue may have expired with it", processor.ErrIndeterminate)
	}
	return nil
}

// extend renews the lease if a message that comes now might outlive it.
func (l *lease) extend(ctx context.Context) error {
	if time.Until(l.until) >= l.delay+spare {
		return nil
	}
	return l.renew(ctx)
}

// renew redeclares the queue.
func (l *lease) renew(ctx context.Context) error {
	began := time.Now()
	if err := l.redeclare(ctx); err != nil {
		return err
	}
	if !time.Now().Before(l.until) {
		l.broken = true
	}
	l.until = began.Add(l.delay + grace)
	return nil
}

// keepWhile renews the lease from time to time while publish runs.
func (l *lease) keepWhile(ctx context.Context, publish func() error) error {
	keeping, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	sinceRenewed := l.delay + grace - time.Until(l.until)
	first := time.AfterFunc(renewEvery-sinceRenewed, func() {
		defer close(ended)
		l.renewUntilDone(keeping)
	})
	defer func() { // publish may panic
		cancel()
		if !first.Stop() {
			<-ended
		}
	}()
	return publish()
}

func (l *lease) renewUntilDone(ctx context.Context) {
	t := time.NewTicker(renewEvery)
	defer t.Stop()
	for ctx.Err() == nil {
		_ = l.renew(ctx) // it is tried again, and a failure shows in until
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}
