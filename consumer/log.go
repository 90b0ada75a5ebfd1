package consumer

import (
	"log/slog"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// Most bytes that go into a log of what a sender may have written.
const (
	maxAttribute = 256
	maxError     = 1024
)

func level(a processor.Action) slog.Level {
	switch a {
	case processor.Dropped:
		return slog.LevelInfo
	case processor.Requeued:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

func attributes(msg processor.Message, err error) []slog.Attr {
	o := msg.Origin()
	attrs := []slog.Attr{
		slog.String("queue", o.Queue),
		slog.String("message_id", excerpt.Of(msg.Properties().ID, maxAttribute)),
		slog.String("routing_key", excerpt.Of(o.RoutingKey, maxAttribute)),
		slog.Bool("redelivered", o.Redelivered),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", excerpt.Error(err, maxError)))
	}
	return attrs
}
