package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/quote"
)

// String returns a line for each exchange, queue and binding, in aligned columns, one for
// the names that belong to the topology alone ([broker.Topology].Owned), and one for each [broker.Loop]
// that loses messages. Arguments without a field are shown as name=value. A name that is not one
// plain word is quoted as in Go.
func (p Plan) String() string {
	bindings := rows(p.topology.Bindings, func(b broker.Binding) []string {
		return []string{"binding ", quote.Name(b.Exchange), "-> " + quote.Name(b.Queue), p.aboutBinding(b)}
	})
	if len(p.topology.Queues) > 0 {
		bindings = append(bindings, []string{"binding ", "(default)", "-> each queue", "key: its name"})
	}
	var sections []string
	for _, section := range [][][]string{
		rows(p.topology.Exchanges, func(x broker.Exchange) []string {
			return []string{"exchange", quote.Name(x.Name), quote.Name(string(x.Kind)), p.aboutExchange(x)}
		}),
		rows(p.topology.Queues, func(q broker.Queue) []string {
			return []string{"queue   ", quote.Name(q.Name), queueType(q), p.aboutQueue(q)}
		}),
		bindings,
	} {
		if len(section) > 0 {
			sections = append(sections, aligned(section))
		}
	}
	if owned := p.topology.Owned; len(owned) > 0 {
		sections = append(sections, "owned     queues whose names begin with "+strings.Join(inTexts(owned), ", ")+"\n")
	}
	var loops strings.Builder
	for _, l := range p.topology.Loops() {
		loops.WriteString("loop      " + l.String() + ": what a queue gives up on its way is lost, or held for ever\n")
	}
	if loops.Len() > 0 {
		sections = append(sections, loops.String())
	}
	if len(sections) == 0 {
		return "nothing to declare\n"
	}
	return strings.Join(sections, "\n")
}

func inTexts(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = quote.Name(name)
	}
	return list
}

func rows[T any](items []T, row func(T) []string) [][]string {
	list := make([][]string, len(items))
	for i, item := range items {
		list[i] = row(item)
	}
	return list
}

// aligned returns a line for each row. A text/tabwriter would start its columns anew
// where a row ends early.
func aligned(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var all strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			_, _ = fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		all.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return all.String()
}
