package service

import (
	"context"
	"errors"
	"time"

	"github.com/gowarren/warren/consumer"
)

// besideGrace is how long a drain takes by default, whatever hangs.
const besideGrace = consumer.DefaultDrainTimeout + 5*time.Second

// beside is something else than a handler.
type beside struct {
	name string
	run  func(context.Context) error
}

// once is one run.
func (b beside) once(ctx context.Context, l *life) error {
	l.works(ctx)
	err := heeding(ctx, besideGrace, func() error { return b.run(ctx) })
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // the usual way to say that it was asked to end
	}
	return err
}
