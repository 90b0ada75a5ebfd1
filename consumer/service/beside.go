package service

import (
	"context"
	"errors"
	"time"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/patience"
)

// once is one run. After the end it has as long as the handlers have, whatever hangs; after an abort a moment.
func (b beside) once(ctx context.Context, l *life) error {
	l.works(ctx)
	over, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(l.service.drain):
		case <-l.service.hurry.Done():
		case <-over.Done():
		}
		cancel()
	})
	defer stop()
	err := patience.Until(over, grace, func() error { return b.run(ctx) }, func(error) {})
	switch {
	case callback.Is(err, patience.ErrIgnored):
		return errors.Join(consumer.ErrAbandoned, err)
	case ctx.Err() != nil && callback.Is(err, ctx.Err()):
		return nil // the usual way to say that it was asked to end
	}
	return err
}
