package stack

import (
	"iter"

	"github.com/gowarren/warren/processor"
)

// Within returns the visible layers of p and the handler, outermost first, and, where the handler
// is a [Brancher], those of each of its branches. It is for a layer's Check that looks for others further in.
func Within(p processor.Processor) iter.Seq[processor.Processor] {
	return func(yield func(processor.Processor) bool) { within(p, maxEmbedded, yield) }
}

// within returns false if there is to be no more. Branches are followed no deeper than depth.
func within(p processor.Processor, depth int, yield func(processor.Processor) bool) bool {
	var inner []processor.Processor
	for _, l := range Layers(p) {
		switch l := l.(type) {
		case *complete: // the guard of the handler, which no stack shows
			return within(l.handler, depth, yield)
		case Brancher:
			inner = l.Branches()
		}
		if !yield(l) {
			return false
		}
	}
	if depth == 0 {
		return true
	}
	for _, branch := range inner {
		if !within(branch, depth-1, yield) {
			return false
		}
	}
	return true
}
