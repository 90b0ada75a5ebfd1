package consumer

import (
	"log/slog"

	"github.com/gowarren/warren/processor"
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
