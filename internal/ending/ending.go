// Package ending ends a run for layers that do so for a reason of their own.
package ending

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Ending is the end of one run, which may be asked for from any goroutine. A nil Ending
// is that of a run that nobody started.
type Ending struct {
	// Run is nil where whoever runs the pipeline cannot be told to end.
	Run   stack.Run
	asked atomic.Bool
}

// Of returns the ending of the run that ctx, a Start's, belongs to.
func Of(ctx context.Context) *Ending { return &Ending{Run: stack.RunFrom(ctx)} }

// Ask ends the run, which returns nil.
func (e *Ending) Ask() {
	e.asked.Store(true)
	if e.Run != nil {
		e.Run.End(nil)
	}
}

// Asked reports whether Ask was called.
func (e *Ending) Asked() bool { return e != nil && e.asked.Load() }

// Join adds the wish to stop to err where the run could not be told.
func (e *Ending) Join(err error) error {
	if !e.Asked() || e.Run != nil {
		return err
	}
	return errors.Join(err, processor.ErrStop)
}
