package retry

import (
	"context"
	"log/slog"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// report logs a copy that the broker has. The layer turns the failure into success, so
// nobody outside would know of it.
func (r *retry) report(ctx context.Context, ev Event) {
	level, text := slog.LevelInfo, "message failed, retried"
	if ev.Final {
		level, text = slog.LevelError, "message failed, parked"
	}
	log := logattr.Or(r.log)
	if !log.Enabled(ctx, level) {
		return // before anything is made up for nobody
	}
	log.LogAttrs(ctx, level, text, append(logattr.Of(ev.Message, ev.Err),
		slog.String("to", ev.To.String()), slog.Int("retry", ev.Attempt), slog.Int("retries", ev.Attempts))...)
}

// trouble logs a republish that is tried again.
func (r *retry) trouble(ctx context.Context, msg processor.Message, to processor.Destination, err error) {
	logattr.Or(r.log).LogAttrs(ctx, slog.LevelWarn, "republish failed, trying again", append(logattr.Of(msg, err),
		slog.String("to", to.String()), slog.Duration("for", r.keepTrying))...)
}
