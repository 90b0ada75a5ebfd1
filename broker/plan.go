package broker

import (
	"slices"

	"github.com/gowarren/warren/processor"
)

// Plan shows what a topology declares, without asking a broker: as text for a terminal
// or a golden test ([Plan.String]), as a file for rabbitmqctl ([Plan.Definitions]) and as
// diagrams ([Plan.Mermaid], [Plan.Graphviz]). Exchanges, queues and bindings stand in the
// order in which messages pass through them, each once. The same topology always gives
// the same bytes.
type Plan struct {
	topology Topology
}

// Plan returns the plan of t, which must not change for as long as the plan is used. A
// topology that does not [Topology.Validate] is shown as it is.
func (t Topology) Plan() Plan { return Plan{Topology{}.Merge(t).inFlow()} }

// hasExchange is true for those that every vhost has, too.
func (p Plan) hasExchange(name string) bool {
	return name == "" || reserved(name) ||
		slices.ContainsFunc(p.topology.Exchanges, func(x Exchange) bool { return x.Name == name })
}

func (p Plan) hasQueue(name string) bool {
	return slices.ContainsFunc(p.topology.Queues, func(q Queue) bool { return q.Name == name })
}

// target is where dead letters go. They keep their key unless it is keyed.
type target struct {
	exchange, key string
	keyed         bool
}

// deadLetters returns where a queue's dead letters go, whether its fields or its
// arguments say so; false is nowhere.
func deadLetters(arguments processor.Headers) (target, bool) {
	exchange, ok := arguments.String("x-dead-letter-exchange")
	if !ok {
		return target{}, false
	}
	key, keyed := arguments.String("x-dead-letter-routing-key")
	return target{exchange, key, keyed}, true
}

// queue is the queue that the default exchange has for the dead letters, if it is known.
func (t target) queue() (string, bool) { return t.key, t.exchange == "" && t.keyed }
