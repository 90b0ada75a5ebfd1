package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// ErrRunning is returned by Run while another Run of the same consumer is in progress.
var ErrRunning = errors.New("the consumer is running already")

// Consumer runs a processor over a source. Make one with [New].
type Consumer struct {
	setup
	running atomic.Bool
	current atomic.Pointer[run] // nil while there is none
}

// New returns a consumer of source that hands each message to p, usually a [*stack.Pipeline]. A decorator around a
// pipeline shows it by a method Unwrap ([stack.Wrapper]); a function around it hides its Start, Idle and Stop. The error
// is about wrong options, and a source or a processor that is nil.
func New(source broker.Source, p processor.Processor, opts ...Option) (*Consumer, error) {
	c := &Consumer{setup: setup{source: source, handler: p, options: defaults()}}
	if err := option.Apply("consumer", &c.options, opts); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Consumer) check() error {
	if err := processor.Check(c.source); err != nil {
		return fmt.Errorf("consumer: the source, which is the broker's Source(queue), cannot work: %w", err)
	}
	if err := stack.Check(c.handler); err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	if c.options.context != nil && !stack.Built(c.handler) {
		return errors.New("consumer: MessageContext needs layers that settle a message for which there is no context: pass a pipeline that a stack's Then has built")
	}
	return c.options.check()
}

// Run consumes until ctx is cancelled, a processor stops it, or the source ends, and then drains. See the package
// documentation.
//
// It returns nil after a regular shutdown: by ctx, by [processor.ErrStop], or by the end of the source. Otherwise it
// returns what ended the run: the error given to [processor.Stop], [ErrUnsettled], the permanent failure of the
// source, or a lifecycle method that failed. Run may be called again after it has returned.
func (c *Consumer) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return fmt.Errorf("consumer: %w", ErrRunning)
	}
	defer c.running.Store(false)
	r := newRun(ctx, &c.setup)
	c.current.Store(r)
	defer c.current.Store(nil)
	defer r.Abort(nil)
	if err := r.start(ctx); err != nil {
		return errors.Join(r.reason(), fmt.Errorf("consumer: start: %w", err))
	}
	return errors.Join(r.consume(), r.stop(ctx))
}

// Abort ends a run at once, as a second signal should: nothing more is received, and the context of the messages in
// flight ends without a drain. What they leave unsettled is requeued. It does not wait, does nothing if no run is in
// progress, and may be called by any goroutine.
func (c *Consumer) Abort() {
	if r := c.current.Load(); r != nil {
		r.Abort(nil)
	}
}

// Stats returns the counts so far. It may be called at any time.
func (c *Consumer) Stats() Stats { return c.stats.sum() }

// DrainTimeout returns what the option of that name says.
func (c *Consumer) DrainTimeout() time.Duration { return c.options.drainTimeout }
