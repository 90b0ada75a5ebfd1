package patience

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/internal/callback"
)

// Logger returns a logger whose caller waits for a record at most that long. While a handler
// is stuck, later records are dropped. A handler that panics drops its record.
func Logger(l *slog.Logger, most time.Duration) *slog.Logger {
	return slog.New(&handler{next: l.Handler(), most: most, stuck: &atomic.Bool{}})
}

type handler struct {
	next  slog.Handler
	most  time.Duration
	stuck *atomic.Bool // shared by those that are derived
}

// Enabled lets every record through: the other's Enabled may block as well.
func (h *handler) Enabled(context.Context, slog.Level) bool { return !h.stuck.Load() }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.stuck.Load() {
		return nil
	}
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		_ = callback.Call("the log handler", func() {
			if h.next.Enabled(ctx, r.Level) {
				_ = h.next.Handle(ctx, r) // nobody could be told
			}
		})
	}()
	t := time.NewTimer(h.most)
	defer t.Stop()
	select {
	case <-handled:
	case <-t.C:
		h.stuck.Store(true)
		go func() {
			<-handled
			h.stuck.Store(false)
		}()
	}
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{next: h.next.WithAttrs(attrs), most: h.most, stuck: h.stuck}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{next: h.next.WithGroup(name), most: h.most, stuck: h.stuck}
}
