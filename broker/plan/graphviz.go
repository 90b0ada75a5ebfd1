package plan

import (
	"strings"
)

// Graphviz returns a digraph in the language of Graphviz's dot, as "dot -Tsvg" draws it.
// It shows what [Plan.Mermaid] does, with boxes for queues.
func (p Plan) Graphviz() string {
	var b strings.Builder
	b.WriteString("digraph topology {\n    rankdir=LR\n")
	g := p.graph()
	for _, n := range g.nodes {
		style := "shape=hexagon"
		if n.queue {
			style = "shape=box"
		}
		if n.absent {
			style += ", style=dashed"
		}
		b.WriteString("    " + n.id + ` [label="` + strings.Join(escapeAll(n.lines, escapeGraphviz), `\n`) + `", ` + style + "]\n")
	}
	for _, e := range g.edges {
		style := ""
		if e.dashed {
			style = ", style=dashed"
		}
		b.WriteString("    " + e.from + " -> " + e.to + ` [label="` + escapeGraphviz(e.label) + `"` + style + "]\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// graphvizEscapes replaces everything with a meaning in a quoted label: the quote, escapes such
// as \N for the node's name, and HTML's entities. Line breaks never come here.
var graphvizEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;")

func escapeGraphviz(s string) string { return graphvizEscapes.Replace(s) }
