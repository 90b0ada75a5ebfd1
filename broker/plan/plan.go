// Package plan shows what a topology would declare, without asking a broker: as text, as RabbitMQ's
// definitions and as diagrams.
//
//	fmt.Print(plan.Of(topology))
package plan

import (
	"slices"
	"strings"

	"github.com/gowarren/warren/broker"
)

// Plan shows what a topology declares, without asking a broker: as text for a terminal
// or a golden test ([Plan.String]), as a file for rabbitmqctl ([Plan.Definitions]) and as
// diagrams ([Plan.Mermaid], [Plan.Graphviz]). Exchanges, queues and bindings are in the
// order in which messages pass through them, each once. The same topology always gives
// the same bytes.
type Plan struct {
	topology broker.Topology
}

// Of returns the plan of t, which must not change for as long as the plan is used. An invalid
// topology ([broker.Topology.Validate]) is shown as it is.
func Of(t broker.Topology) Plan { return Plan{inFlow(broker.Topology{}.Merge(t))} }

// hasExchange is also true for the exchanges that every vhost has.
func (p Plan) hasExchange(name string) bool {
	return name == "" || strings.HasPrefix(name, "amq.") ||
		slices.ContainsFunc(p.topology.Exchanges, func(x broker.Exchange) bool { return x.Name == name })
}

func (p Plan) hasQueue(name string) bool {
	return slices.ContainsFunc(p.topology.Queues, func(q broker.Queue) bool { return q.Name == name })
}
