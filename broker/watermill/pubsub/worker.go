package pubsub

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill/internal/wire"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// worker is one place in flight.
type worker struct {
	*subscription

	nacks int // since the last ack
}

// run delivers one message after the other. It returns why there are no more.
func (w *worker) run(sub broker.Subscription) error {
	for {
		m, err := sub.Receive(w.intake)
		if err != nil {
			return err
		}
		w.hand(m)
		if w.intake.Err() != nil {
			return w.intake.Err()
		}
		pacing.Sleep(w.intake, w.pause())
	}
}

// hand delivers m and settles it as Watermill does. A message that was not taken, or not settled in
// time, is requeued with its channel, which keeps its place in the queue.
func (w *worker) hand(m *broker.Delivery) {
	ctx, end := context.WithCancel(m.Context())
	defer end()

	msg := wire.Message(processor.Envelope{Body: m.Body(), Headers: m.Headers(), Properties: m.Properties()})
	msg.SetContext(ctx)
	if w.intake.Err() != nil || !w.taken(ctx, msg) {
		return
	}
	select {
	case <-msg.Acked():
		w.nacks = 0
		w.settled(ctx, m, m.Ack())
	case <-msg.Nacked():
		w.nacks++
		w.settled(ctx, m, m.Nack(true))
	case <-w.patience.Done():
		w.log.LogAttrs(ctx, slog.LevelWarn, "message neither acked nor nacked in time; it goes back to its queue", logattr.Of(m, nil)...)
	}
}

// taken waits until a receiver takes msg. It returns false if none should any more.
func (w *worker) taken(ctx context.Context, msg *message.Message) bool {
	select {
	case w.out <- msg:
		return true
	case <-ctx.Done(): // the broker redelivers it
	case <-w.intake.Done():
	}
	return false
}

// settled logs an error, except a lost channel: the broker then redelivers.
func (w *worker) settled(ctx context.Context, m processor.Message, err error) {
	level := slog.LevelError
	switch {
	case err == nil:
		return
	case errors.Is(err, processor.ErrStale):
		level = slog.LevelDebug
	}
	w.log.LogAttrs(ctx, level, "message not settled; it is delivered again", logattr.Of(m, err)...)
}

// pause is how long the place stays empty after a nack.
func (w *worker) pause() time.Duration {
	if w.nacks == 0 {
		return 0
	}
	const doublings = 20 // a quarter of an hour
	return min(time.Millisecond<<min(w.nacks-1, doublings), w.subscriber.options.nackPause)
}
