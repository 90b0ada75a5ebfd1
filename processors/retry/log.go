package retry

import (
	"context"
	"log/slog"

	"github.com/gowarren/warren/internal/logattr"
)

// report logs a copy that the broker has. The layer turns the failure into success, so the outer
// layers cannot log it.
func (r *retry) report(ctx context.Context, ev Event) {
	level, text := slog.LevelInfo, "message failed, retried"
	if ev.Parked {
		level, text = slog.LevelError, "message failed, parked"
	}
	log := logattr.Or(r.log)
	if !log.Enabled(ctx, level) {
		return // before an unread record is built
	}
	log.LogAttrs(ctx, level, text, append(logattr.Of(ev.Message, ev.Err),
		slog.String("to", ev.To.String()), slog.Int("retry", ev.Attempt), slog.Int("retries", ev.Retries))...)
}
