package backoff

import (
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Event describes a copy that was published.
type Event struct {
	// Message is the message that failed. It must not be kept.
	Message processor.Message
	// Err is why it failed: [ErrExpired] if its retries are used up. If a copy could not be sent,
	// or not with the requested delay, Err says so. It wraps the handler's error.
	Err error
	// Attempt is the number of this retry by its policy, from 1. For the parked copy it is how many
	// there were: by the policy if that has used them up, or else by all.
	Attempt int
	// Retries is the limit of the policy, or [processor.NoLimit].
	Retries int
	// Delay is how long the copy waits, at least; 0 for the parked copy.
	Delay time.Duration
	// Next is the earliest time at which the message is due again; zero for the parked copy.
	Next time.Time
	// Parked says that the copy went to the park destination.
	Parked bool
	// To is where the copy arrives: the work queue, or the park destination.
	To processor.Destination
}

// FirstOrigin is where msg was first published to: the exchange and the key, before any retry. Its
// queue and redelivered flag are those of this delivery. After the first failure it comes from
// headers, which a sender can write: do not route by it. It is the same for processors/retry.
func FirstOrigin(msg processor.Message) processor.Origin { return republish.Origin(msg) }

// report logs a copy that the broker has. The layer turns the failure into success, so the outer
// layers cannot log it.
func (b *backoff) report(ctx context.Context, ev Event) {
	level, text := slog.LevelInfo, "message failed, retried later"
	switch {
	case ev.Parked:
		level, text = slog.LevelError, "message failed, parked"
	case tooEarly(ev.Err):
		level, text = slog.LevelWarn, "message failed, retried sooner than was asked for"
	}
	log := logattr.Or(b.log)
	if !log.Enabled(ctx, level) {
		return // before an unread record is built
	}
	attrs := append(logattr.Of(ev.Message, ev.Err), slog.String("to", ev.To.String()), slog.Int("retry", ev.Attempt))
	if ev.Retries != processor.NoLimit {
		attrs = append(attrs, slog.Int("retries", ev.Retries))
	}
	if !ev.Parked {
		attrs = append(attrs, slog.Duration("delay", ev.Delay), slog.Time("next", ev.Next))
	}
	log.LogAttrs(ctx, level, text, attrs...)
}
