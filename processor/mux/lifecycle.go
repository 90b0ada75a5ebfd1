package mux

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/processor/stack"
)

var (
	_ stack.Starter = (*mux)(nil)
	_ stack.Idler   = (*mux)(nil)
	_ stack.Stopper = (*mux)(nil)
)

// Start starts the handlers that have something to start. If one fails, those that had started are stopped.
func (m *mux) Start(ctx context.Context) error {
	for i, branch := range m.Branches() {
		if err := stack.Start(ctx, branch); err != nil {
			return errors.Join(fmt.Errorf("mux: start a handler: %w", err), m.stop(context.WithoutCancel(ctx), i))
		}
	}
	return nil
}

// Idle calls the handlers that have something to do meanwhile.
func (m *mux) Idle(ctx context.Context) error {
	var errs []error
	for _, branch := range m.Branches() {
		if err := stack.Idle(ctx, branch); err != nil {
			errs = append(errs, fmt.Errorf("mux: idle a handler: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Stop stops the handlers, the last first, whatever each returns.
func (m *mux) Stop(ctx context.Context) error { return m.stop(ctx, len(m.Branches())) }

// stop stops the first n handlers.
func (m *mux) stop(ctx context.Context, n int) error {
	var errs []error
	for _, branch := range slices.Backward(m.Branches()[:n]) {
		if err := stack.Stop(ctx, branch); err != nil {
			errs = append(errs, fmt.Errorf("mux: stop a handler: %w", err))
		}
	}
	return errors.Join(errs...)
}
