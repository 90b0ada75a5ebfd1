package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gowarren/warren/processor"
)

// Starter is implemented by processors that have something to do before the first
// message. An error keeps the run from starting. [RunFrom] finds the run in ctx, which ends when the
// run is to end: it is for Start alone, and a Start that ignores its end is abandoned by a consumer.
type Starter interface {
	Start(ctx context.Context) error
}

// Idler is implemented by processors that have something to do while no message is
// waiting. Idle is called now and then while no message is in flight; one may arrive while
// it runs. An error that wraps [processor.ErrStop] or [processor.Stop] ends the run; any other is logged.
type Idler interface {
	Idle(ctx context.Context) error
}

// Stopper is implemented by processors that have something to undo after the last
// message. Stop is called once for each successful Start, and also on layers that have
// no Start of their own. ctx bounds it.
type Stopper interface {
	Stop(ctx context.Context) error
}

var (
	_ Starter = (*Pipeline)(nil)
	_ Idler   = (*Pipeline)(nil)
	_ Stopper = (*Pipeline)(nil)
)

// errStarted is the error of a pipeline that is started twice.
var errStarted = errors.New("stack: the pipeline is running already: its layers belong to one run at a time, so build a pipeline for each consumer")

// Start starts the layers, outermost first. If one fails, those that had started are
// stopped in reverse, and the error says which failed. Starting a pipeline that has been started
// and not stopped is an error: layers hold the state of one run.
func (p *Pipeline) Start(ctx context.Context) error {
	if !p.claim() {
		return errStarted
	}
	for i, layer := range p.layers {
		s, ok := layer.(Starter)
		if !ok {
			continue
		}
		if err := s.Start(ctx); err != nil {
			err = fmt.Errorf("stack: start %s: %w", layerName(layer), err)
			err = errors.Join(err, p.undo(ctx, i))
			p.release()
			return err
		}
	}
	return nil
}

// claim reserves the pipeline and those inside it for one run: all or none.
func (p *Pipeline) claim() bool {
	for i, c := range p.claimed() {
		if !c.started.CompareAndSwap(false, true) {
			for _, before := range p.claimed()[:i] {
				before.started.Store(false)
			}
			return false
		}
	}
	return true
}

func (p *Pipeline) release() {
	for _, c := range p.claimed() {
		c.started.Store(false)
	}
}

func (p *Pipeline) claimed() []*Pipeline { return append([]*Pipeline{p}, p.inner...) }

// undo stops the first n layers, also when the start failed because ctx had ended.
func (p *Pipeline) undo(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	return stopLayers(ctx, p.layers[:n])
}

// undoTimeout bounds the stopping of layers after a start that failed.
const undoTimeout = 5 * time.Second

// Idle calls the layers that are [Idler]s, outermost first.
func (p *Pipeline) Idle(ctx context.Context) error {
	var errs []error
	for _, layer := range p.layers {
		if i, ok := layer.(Idler); ok {
			if err := i.Idle(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stack: idle %s: %w", layerName(layer), err))
			}
		}
	}
	return errors.Join(errs...)
}

// Stop stops all layers, innermost first, whatever each returns.
func (p *Pipeline) Stop(ctx context.Context) error {
	defer p.release()
	return stopLayers(ctx, p.layers)
}

func stopLayers(ctx context.Context, layers []processor.Processor) error {
	var errs []error
	for _, layer := range slices.Backward(layers) {
		if s, ok := layer.(Stopper); ok {
			if err := s.Stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stack: stop %s: %w", layerName(layer), err))
			}
		}
	}
	return errors.Join(errs...)
}
