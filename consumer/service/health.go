package service

import (
	"errors"
	"fmt"
	"time"
)

// States returns the state of each handler, in their order. It may be called at any time, by any goroutine.
func (s *Service) States() []State {
	states := make([]State, len(s.lives))
	for i, l := range s.lives {
		states[i] = l.snapshot()
	}
	return states
}

// ErrUnhealthy is wrapped by the error of [Service.Health] for each handler that has failed.
var ErrUnhealthy = errors.New("the handler does not work")

// Health returns nil if no handler has failed, and all that have are running again. Otherwise its error names
// those that have not, with what they failed with. A broker that has a Health of its own, as broker/rabbitmq has, is
// asked as well. A handler that has ended regularly, by [processor.ErrStop], has not failed: see [Service.States]. It
// does not wait, so that a health endpoint may call it at any rate. A service that has not begun is healthy; see
// [Service.Ready].
func (s *Service) Health() error {
	var errs []error
	for _, state := range s.States() {
		again := state.Phase == Starting && state.Restarts > 0
		if state.Phase == Failed || state.Phase == Restarting || again {
			errs = append(errs, fmt.Errorf("service: handler %q: %w: %s since %s: %w", state.Queue, ErrUnhealthy,
				state.Phase, state.Since.Format(time.RFC3339), state.Err))
		}
	}
	if b, ok := s.broker.(interface{ Health() error }); ok {
		errs = append(errs, b.Health())
	}
	return errors.Join(errs...)
}

// Ready returns a channel that is closed when all handlers have begun to consume: from then on the broker delivers
// to each. It stays open if the start fails.
func (s *Service) Ready() <-chan struct{} { return s.ready }
