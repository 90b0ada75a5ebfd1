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
	err := startLayers(ctx, p.layers)
	if err != nil {
		p.release()
	}
	return err
}

func startLayers(ctx context.Context, layers []processor.Processor) error {
	for i, layer := range layers {
		s, ok := layer.(Starter)
		if !ok {
			continue
		}
		if err := s.Start(ctx); err != nil {
			return errors.Join(failed("start", layer, err), undo(ctx, layers[:i]))
		}
	}
	return nil
}

// failed says in which layer something has failed. A pipeline has said it.
func failed(doing string, layer processor.Processor, err error) error {
	if _, is := layer.(*Pipeline); is {
		return err
	}
	return fmt.Errorf("stack: %s %s: %w", doing, layerName(layer), err)
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

// undo stops layers, also when the start failed because ctx had ended.
func undo(ctx context.Context, layers []processor.Processor) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	return stopLayers(ctx, layers)
}

// undoTimeout bounds the stopping of layers after a start that failed.
const undoTimeout = 5 * time.Second

// Idle calls the layers that implement [Idler], outermost first.
func (p *Pipeline) Idle(ctx context.Context) error { return idleLayers(ctx, p.layers) }

func idleLayers(ctx context.Context, layers []processor.Processor) error {
	var errs []error
	for _, layer := range layers {
		if i, ok := layer.(Idler); ok {
			if err := i.Idle(ctx); err != nil {
				errs = append(errs, failed("idle", layer, err))
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
				errs = append(errs, failed("stop", layer, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Start starts a processor that may be a pipeline, or decorate one: it calls [Starter] on p and on each that
// p shows by its Unwrap ([Wrapper]), outermost first, up to the first pipeline, which starts its own layers. If one
// fails, those before are stopped. Start, [Idle] and [Stop] are for whatever runs a processor that others have made.
func Start(ctx context.Context, p processor.Processor) error { return startLayers(ctx, parts(p)) }

// Idle calls [Idler] on each that [Start] starts.
func Idle(ctx context.Context, p processor.Processor) error { return idleLayers(ctx, parts(p)) }

// Stop calls [Stopper] on each that [Start] starts, innermost first, whatever each returns.
func Stop(ctx context.Context, p processor.Processor) error { return stopLayers(ctx, parts(p)) }

// parts returns p and what it shows, up to the first that is or embeds a pipeline.
func parts(p processor.Processor) []processor.Processor {
	var all []processor.Processor
	for part := range inward(p, nil) {
		all = append(all, part)
		if _, embeds := pipelineIn(part); embeds {
			break
		}
	}
	return all
}
