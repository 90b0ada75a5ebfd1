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

// Wrapper is implemented by layers that show what they stand around. Shipped ones all do,
// so that a stack also sees those that somebody has put around one another by hand.
type Wrapper interface {
	// Unwrap returns the next layer inwards.
	Unwrap() processor.Processor
}

// Layers returns the layers of p as far as they show themselves, outermost first and the
// handler last, or p itself if it is no pipeline. It is for whoever runs a pipeline, and
// wants to know whether there is all that the layers need.
func Layers(p processor.Processor) []processor.Processor { return shown(between(p, nil)) }

// function is a ProcessorFunc in a stack. Unlike that it can be told from others.
type function struct{ f processor.ProcessorFunc }

func (f *function) Process(ctx context.Context, msg processor.Message) error { return f.f(ctx, msg) }

// named returns p, or a function that can be told from others.
func named(p processor.Processor) processor.Processor {
	if f, ok := p.(processor.ProcessorFunc); ok {
		return &function{f}
	}
	return p
}

// between returns p and the layers inside it, as far as they show themselves, up to next.
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

// inside returns the pipelines among what between finds, and those inside them.
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

// shown returns the layers with those of pipelines that one of them embeds: each is one
// layer as far as its lifecycle goes, and hides the others from nobody.
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
