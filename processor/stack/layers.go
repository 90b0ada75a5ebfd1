package stack

import (
	"context"
	"fmt"
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

// between returns p and the visible layers inside it, up to next.
func between(p, next processor.Processor) []processor.Processor {
	var found []processor.Processor
	for p != nil && !same(p, next) {
		if inner, ok := p.(*Pipeline); ok {
			at := slices.IndexFunc(inner.layers, func(l processor.Processor) bool { return same(l, next) })
			if at < 0 {
				at = len(inner.layers)
			}
			return append(found, inner.layers[:at]...)
		}
		found = append(found, p)
		w, ok := p.(Wrapper)
		if !ok {
			break
		}
		p = w.Unwrap()
	}
	return found
}

// inside returns the pipelines that between finds, and those inside them.
func inside(p, next processor.Processor) []*Pipeline {
	for p != nil && !same(p, next) {
		if inner, ok := p.(*Pipeline); ok {
			return append([]*Pipeline{inner}, inner.inner...)
		}
		w, ok := p.(Wrapper)
		if !ok {
			break
		}
		p = w.Unwrap()
	}
	return nil
}

// shown returns the layers, and the layers of pipelines that one of them embeds: in the lifecycle
// an embedded pipeline is one layer, and hides none of its own.
func shown(layers []processor.Processor) []processor.Processor {
	var all []processor.Processor
	for i, l := range layers {
		all = append(all, l)
		embedded, ok := l.(interface{ pipeline() *Pipeline })
		if !ok {
			continue
		}
		inner := shown(embedded.pipeline().layers)
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

// same compares without the panic of == on types that cannot be compared.
func same(a, b processor.Processor) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() &&
		reflect.ValueOf(b).Comparable() && a == b
}

// isNil reports whether p is nil, also as a function or as the pipeline that came with an
// error.
func isNil(p processor.Processor) bool {
	switch p := p.(type) {
	case nil:
		return true
	case processor.ProcessorFunc:
		return p == nil
	case *Pipeline:
		return p == nil
	}
	return false
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
