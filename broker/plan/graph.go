package plan

import (
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/internal/quote"
)

// graph is what the diagrams draw.
type graph struct {
	plan  Plan
	nodes []node
	edges []edge

	exchanges, queues map[string]string // ids by name
}

// node is an exchange or a queue. Its id is made here and contains no name.
type node struct {
	id     string
	queue  bool
	absent bool // named, but not declared here
	lines  []string
}

// edge is a way of messages: a binding, or else dashed.
type edge struct {
	from, to string
	label    string
	dashed   bool
}

func (p Plan) graph() *graph {
	g := &graph{plan: p, exchanges: map[string]string{}, queues: map[string]string{}}
	for _, x := range p.topology.Exchanges {
		w := &words{arguments: x.AllArguments()}
		w.exchange(x)
		delete(w.arguments, "alternate-exchange")
		w.rest()
		g.addExchange(x.Name, false, quote.Name(string(x.Kind)), w.String())
	}
	for _, q := range p.topology.Queues {
		g.addDeclaredQueue(q)
	}
	for _, b := range p.topology.Bindings {
		from, to := g.exchange(b.Exchange), g.queue(b.Queue)
		g.edges = append(g.edges, edge{from: from, to: to, label: p.match(b).String()})
	}
	for _, x := range p.topology.Exchanges {
		g.drawAlternate(x)
	}
	for _, q := range p.topology.Queues {
		g.drawDeadLetters(q)
	}
	return g
}

func (g *graph) addDeclaredQueue(q broker.Queue) {
	w := &words{arguments: q.AllArguments()}
	_, ok := argument.DeadLetters(w.arguments)
	w.wait(ok)
	w.queue(q)
	kind := queueType(q)
	if _, given := q.AllArguments()["x-queue-type"]; !given {
		kind = ""
	}
	g.addQueue(q.Name, false, kind, w.String())
}

func (g *graph) drawAlternate(x broker.Exchange) {
	if alternate, ok := x.AllArguments()["alternate-exchange"].(string); ok {
		from, to := g.exchange(x.Name), g.exchange(alternate)
		g.edges = append(g.edges, edge{from: from, to: to, label: "unroutable", dashed: true})
	}
}

func (g *graph) drawDeadLetters(q broker.Queue) {
	arguments := q.AllArguments()
	to, ok := argument.DeadLetters(arguments)
	if !ok {
		return
	}
	e := edge{from: g.queue(q.Name), label: "dead letters", dashed: true}
	if ttl, ok := argument.Milliseconds(arguments, "x-message-ttl"); ok {
		e.label = fmt.Sprintf("after %v", ttl)
	}
	if name, ok := to.Queue(); ok {
		e.to = g.queue(name)
		e.label += ", default exchange"
	} else {
		e.to = g.exchange(to.Exchange)
		if to.Keyed {
			e.label += ", key " + quote.Name(to.Key)
		}
	}
	g.edges = append(g.edges, e)
}

// exchange returns the id of an exchange, which need not be declared here.
func (g *graph) exchange(name string) string {
	if id, ok := g.exchanges[name]; ok {
		return id
	}
	if name == "" {
		return g.addExchange(name, false, "to the queue named by the key")
	}
	return g.addExchange(name, true, absence(g.plan.hasExchange(name)))
}

func (g *graph) queue(name string) string {
	if id, ok := g.queues[name]; ok {
		return id
	}
	return g.addQueue(name, true, absence(false))
}

func absence(builtIn bool) string {
	if builtIn {
		return "the broker's own"
	}
	return "not declared here"
}

func (g *graph) addExchange(name string, absent bool, about ...string) string {
	text := quote.Name(name)
	if name == "" {
		text = "default exchange"
	}
	id := fmt.Sprintf("exchange%d", len(g.exchanges)+1)
	g.exchanges[name] = id
	g.nodes = append(g.nodes, node{id: id, absent: absent, lines: lines(text, about)})
	return id
}

func (g *graph) addQueue(name string, absent bool, about ...string) string {
	id := fmt.Sprintf("queue%d", len(g.queues)+1)
	g.queues[name] = id
	g.nodes = append(g.nodes, node{id: id, queue: true, absent: absent, lines: lines(quote.Name(name), about)})
	return id
}

// lines are not empty.
func lines(name string, about []string) []string {
	list := []string{name}
	for _, s := range about {
		if strings.TrimSpace(s) != "" {
			list = append(list, s)
		}
	}
	return list
}
