package stack

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/gowarren/warren/processor"
)

// Wrapper is implemented by layers that show the processor that they wrap. All shipped ones do,
// so that a stack also sees layers that were composed by hand.
type Wrapper interface {
	// Unwrap returns the next layer inwards.
	Unwrap() processor.Processor
}

// Layers returns the visible layers of p, outermost first and the handler last, or p itself if
// it is no pipeline. A runner of pipelines finds there what the layers need.
func Layers(p processor.Processor) []processor.Processor { return shown(between(p, nil)) }

// function is a ProcessorFunc in a stack. Unlike a ProcessorFunc it can be compared.
type function struct{ f processor.ProcessorFunc }

func (f *function) Process(ctx context.Context, msg processor.Message) error { return f.f(ctx, msg) }

// named returns p, or a function that can be compared.
func named(p processor.Processor) processor.Processor {
	if f, ok := p.(processor.ProcessorFunc); ok {
		return &function{f}
	}
	return p
}

// maxLayers bounds how far layers are followed inwards: a layer that shows itself has no end.
const maxLayers = 1000

// inward yields p and the layers that it shows, one inside the other, up to next.
func inward(p, next processor.Processor) iter.Seq[processor.Processor] {
	return func(yield func(processor.Processor) bool) {
		for range maxLayers {
			if isNil(p) || same(p, next) || !yield(p) {
				return
			}
			w, ok := p.(Wrapper)
			if !ok {
				return
			}
			p = unwrapped(w)
		}
	}
}

// unwrapped is what w wraps; nil if its Unwrap panics, as that of a half-made layer may.
func unwrapped(w Wrapper) (p processor.Processor) {
	defer func() { _ = recover() }()
	return w.Unwrap()
}

// between returns p and the visible layers inside it, up to next.
func between(p, next processor.Processor) []processor.Processor {
	var found []processor.Processor
	for p := range inward(p, next) {
		if inner, ok := p.(*Pipeline); ok {
			at := slices.IndexFunc(inner.layers, func(l processor.Processor) bool { return same(l, next) })
			if at < 0 {
				at = len(inner.layers)
			}
			return append(found, inner.layers[:at]...)
		}
		found = append(found, p)
	}
	return found
}

// inside returns the pipelines that between finds, and those inside them.
func inside(p, next processor.Processor) []*Pipeline {
	for p := range inward(p, next) {
		if inner, ok := p.(*Pipeline); ok {
			return append([]*Pipeline{inner}, inner.inner...)
		}
	}
	return nil
}

// shown returns the layers, and the layers of pipelines that one of them embeds: in the lifecycle
// an embedded pipeline is one layer, and hides none of its own.
func shown(layers []processor.Processor) []processor.Processor {
	return shownWithin(layers, maxEmbedded)
}

// maxEmbedded is how deep pipelines are followed that embed one another.
const maxEmbedded = 50

func shownWithin(layers []processor.Processor, depth int) []processor.Processor {
	var all []processor.Processor
	for i, l := range layers {
		all = append(all, l)
		embedded, embeds := pipelineIn(l)
		if !embeds || embedded == nil || depth == 0 {
			continue
		}
		inner := shownWithin(embedded.layers, depth-1)
		if i+1 < len(layers) {
			if at := slices.IndexFunc(inner, func(l processor.Processor) bool { return same(l, layers[i+1]) }); at >= 0 {
				inner = inner[:at]
			}
		}
		all = append(all, inner...)
	}
	return all
}

// pipeline is promoted to types that embed the pipeline, and finds it there.
func (p *Pipeline) pipeline() *Pipeline { return p }

// pipelineIn is the pipeline that l is or embeds, nil if there is none in its place.
func pipelineIn(l processor.Processor) (p *Pipeline, embeds bool) {
	e, embeds := l.(interface{ pipeline() *Pipeline })
	if embeds {
		defer func() { _ = recover() }() // of a nil pointer on the way
		p = e.pipeline()
	}
	return p, embeds
}

// Check returns why p cannot process a message: it is nil, it is or embeds a pipeline that
// [Stack.Then] has not built, or its layers have no end because one of them shows itself by its
// Unwrap. It is for whatever runs a processor that others have made.
func Check(p processor.Processor) error {
	if isNil(p) {
		return errors.New("stack: the processor is nil: pass a Processor, and not the pipeline of a Then that failed")
	}
	n := 0
	for l := range inward(p, nil) {
		if embedded, embeds := pipelineIn(l); embeds && isNil(embedded) {
			return fmt.Errorf("stack: %T has a pipeline that Then has not built: look at the error that Then returned with it", l)
		}
		if n++; n == maxLayers {
			return fmt.Errorf("stack: the layers inside %T have no end: the Unwrap of %T leads back to itself", p, l)
		}
	}
	return nil
}

// same compares without the panic of == on types that cannot be compared.
func same(a, b processor.Processor) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() &&
		reflect.ValueOf(b).Comparable() && a == b
}

// isNil reports whether p is nil, also as a pointer or a function, or is a pipeline that Then has not
// built.
func isNil(p processor.Processor) bool {
	if built, ok := p.(*Pipeline); ok {
		return built == nil || built.head == nil
	}
	v := reflect.ValueOf(p)
	return p == nil || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil()
}

// layerName is the layer's own name, that of its function with its package, or its type.
func layerName(p processor.Processor) string {
	switch l := p.(type) {
	case Layer:
		return l.Name()
	case *function:
		if f := runtime.FuncForPC(reflect.ValueOf(l.f).Pointer()); f != nil {
			return f.Name()[strings.LastIndexByte(f.Name(), '/')+1:]
		}
	}
	return fmt.Sprintf("%T", p)
}
