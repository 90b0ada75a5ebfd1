package needs

import (
	"slices"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// path is one way of a message through the layers, outermost first and the handler last. Its first layers
// are those of the path that it branches off from.
type path struct {
	layers []processor.Processor
	shared int
}

// own are the layers that no earlier path has.
func (p path) own() []processor.Processor { return p.layers[p.shared:] }

// paths returns all ways through p, inside outer. Where a handler branches, the first of them ends there:
// a message that it passes on to nobody fails in it.
func paths(outer []processor.Processor, p processor.Processor) []path {
	layers := slices.Concat(outer, stack.Layers(p))
	all := []path{{layers, len(outer)}}
	if b, ok := layers[len(layers)-1].(stack.Brancher); ok {
		for _, branch := range b.Branches() {
			all = append(all, paths(layers, branch)...)
		}
	}
	return all
}
