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

// Process delivers m and settles it as Watermill does. A message that was not taken goes back; one that
// was not settled in time is left to the consumer, which gives it back too.
func (s *subscription) Process(ctx context.Context, m processor.Message) error {
	ctx, end := context.WithCancel(ctx)
	defer end()

	msg := wire.Message(processor.Envelope{Body: m.Body(), Headers: m.Headers(), Properties: m.Properties()})
	msg.SetContext(ctx)
	if !s.taken(ctx, msg) {
		s.release(ctx, m)
		return nil
	}
	select {
	case <-msg.Acked():
		s.nacks.Store(0)
		s.settled(ctx, m, m.Ack())
	case <-msg.Nacked():
		s.settled(ctx, m, m.Nack(true))
		pacing.Sleep(s.intake, s.pause(s.nacks.Add(1))) //nolint:contextcheck // the end cuts it short
	case <-s.patience.Done():
		s.log.LogAttrs(ctx, slog.LevelWarn, "message neither acked nor nacked in time; it goes back to its queue", logattr.Of(m, nil)...)
	}
	return nil
}

// taken waits until msg is received. It returns false if it was not, and is no longer to be.
func (s *subscription) taken(ctx context.Context, msg *message.Message) bool {
	s.sending.RLock()
	defer s.sending.RUnlock()
	if s.intake.Err() != nil {
		return false // out may be closed
	}
	select {
	case s.out <- msg:
		return true
	case <-ctx.Done(): // the broker redelivers it
	case <-s.intake.Done():
	}
	return false
}

func (s *subscription) release(ctx context.Context, m processor.Message) {
	if d, ok := m.(*broker.Delivery); ok {
		s.settled(ctx, m, d.Release())
	}
}

// settled logs an error. A lost channel is no error: the broker redelivers the message.
func (s *subscription) settled(ctx context.Context, m processor.Message, err error) {
	level := slog.LevelError
	switch {
	case err == nil:
		return
	case errors.Is(err, processor.ErrStale):
		level = slog.LevelDebug
	}
	s.log.LogAttrs(ctx, level, "message not settled; it is redelivered", logattr.Of(m, err)...)
}

// pause is how long a place in flight stays empty after so many nacks in a row of all places.
func (s *subscription) pause(nacks int64) time.Duration {
	const doublings = 20 // a quarter of an hour
	row := (nacks - 1) / int64(s.subscriber.options.inFlight)
	return min(time.Millisecond<<min(row, doublings), s.subscriber.options.nackPause)
}
