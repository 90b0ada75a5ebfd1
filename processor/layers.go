package processor

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// Wrapper is implemented by layers that show what they stand around. Shipped ones all do,
// so that a stack also sees those that somebody has put around one another by hand.
type Wrapper interface {
	// Unwrap returns the next layer inwards.
	Unwrap() Processor
}

// function is a ProcessorFunc in a stack. Unlike that it can be told from others.
type function struct{ f ProcessorFunc }

func (f *function) Process(ctx context.Context, msg Message) error { return f.f(ctx, msg) }

// named returns p, or a function that can be told from others.
func named(p Processor) Processor {
	if f, ok := p.(ProcessorFunc); ok {
		return &function{f}
	}
	return p
}

// between returns p and the layers inside it, as far as they show themselves, up to next.
func between(p, next Processor) []Processor {
	var found []Processor
	for p != nil && !same(p, next) {
		if inner, ok := p.(*Pipeline); ok {
			at := slices.IndexFunc(inner.layers, func(l Processor) bool { return same(l, next) })
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
func inside(p, next Processor) []*Pipeline {
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
func shown(layers []Processor) []Processor {
	var all []Processor
	for i, l := range layers {
		all = append(all, l)
		embedded, ok := l.(interface{ pipeline() *Pipeline })
		if !ok {
			continue
		}
		inner := shown(embedded.pipeline().layers)
		if i+1 < len(layers) {
			if at := slices.IndexFunc(inner, func(l Processor) bool { return same(l, layers[i+1]) }); at >= 0 {
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
func same(a, b Processor) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() &&
		reflect.ValueOf(b).Comparable() && a == b
}

// isNil reports whether p is nil, also as a function or as the pipeline that came with an
// error.
func isNil(p Processor) bool {
	switch p := p.(type) {
	case nil:
		return true
	case ProcessorFunc:
		return p == nil
	case *Pipeline:
		return p == nil
	}
	return false
}

// layerName is the layer's own name, that of its function with its package, or its type.
func layerName(p Processor) string {
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
