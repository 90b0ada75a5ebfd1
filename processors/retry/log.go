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
	r.say(ctx, level, text, ev.Message, ev.Err,
		slog.String("to", ev.To.String()), slog.Int("attempt", ev.Attempt), slog.Int("attempts", ev.Attempts))
}

func (r *retry) say(ctx context.Context, level slog.Level, text string, msg processor.Message, err error, more ...slog.Attr) {
	log := logattr.Or(r.log)
	if log.Enabled(ctx, level) {
		log.LogAttrs(ctx, level, text, append(logattr.Of(msg, err), more...)...)
	}
}
