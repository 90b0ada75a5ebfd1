package service

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/patience"
)

const (
	grace        = time.Second     // for functions of others to see that their context has ended
	closeTimeout = 4 * time.Second // for the broker, so that with the drain all is over within 30 s
)

// shared is what the handlers of a service have in common.
type shared struct {
	*config
	broker broker.Broker
	drain  time.Duration // the longest of the handlers
	logger func() *slog.Logger

	open  atomic.Int64 // handlers that have not begun, and what runs beside
	ready chan struct{}

	intake context.Context //nolint:containedctx // of all handlers: ends when the service is asked to
	end    context.CancelFunc
	hurry  context.Context //nolint:containedctx // ends when the service is aborted
	abort  context.CancelFunc
}

func newShared(c *config, b broker.Broker) *shared {
	s := &shared{config: c, broker: b, ready: make(chan struct{})}
	s.logger = sync.OnceValue(func() *slog.Logger { return patience.Logger(logattr.Or(c.log), grace) })
	s.intake, s.end = context.WithCancel(context.Background())
	s.hurry, s.abort = context.WithCancel(context.Background())
	s.open.Store(int64(s.size()))
	return s
}

func (s *shared) declare(ctx context.Context, t broker.Topology) error {
	if s.declared {
		return nil
	}
	if err := heeding(ctx, grace, func() error { return s.broker.Declare(ctx, t) }); err != nil {
		return fmt.Errorf("declare: %w", err)
	}
	return nil
}

// heeding calls f, which should return when ctx ends, and waits no longer than wait if it does not.
func heeding(ctx context.Context, wait time.Duration, f func() error) error {
	err := patience.Until(ctx, wait, f, func(error) {})
	if callback.Is(err, patience.ErrIgnored) {
		return fmt.Errorf("%w: %w", consumer.ErrAbandoned, err)
	}
	return err
}

// countBegun notes that one more handler has begun.
func (s *shared) countBegun() {
	if s.open.Add(-1) == 0 {
		close(s.ready)
		s.logger().Info("service is consuming", slog.Int("handlers", s.size()))
	}
}
