// Package ending lets layers end a run, or all of a process.
package ending

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Ending is the end of one run, which any goroutine may ask for. A nil Ending is for a run that was
// not started.
type Ending struct {
	// Process is nil where the runner of the pipeline cannot be ended.
	Process stack.Ender
	asked   atomic.Bool
}

// Of returns the ending of the process that ctx, a Start's, belongs to.
func Of(ctx context.Context) *Ending { return &Ending{Process: stack.ProcessFrom(ctx)} }

// Ask ends the run, which then returns nil.
func (e *Ending) Ask() {
	e.asked.Store(true)
	if e.Process != nil {
		e.Process.End(nil)
	}
}

// Asked reports whether Ask was called.
func (e *Ending) Asked() bool { return e != nil && e.asked.Load() }

// Join adds a stop to err where Ask could not end the run.
func (e *Ending) Join(err error) error {
	if !e.Asked() || e.Process != nil {
		return err
	}
	return errors.Join(err, processor.ErrStop)
}
