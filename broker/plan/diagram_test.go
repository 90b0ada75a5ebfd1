package plan_test

import (
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/processor"
)

// diagram is the result of one of the parsers below. Labels are as a reader sees them.
type diagram struct {
	nodes map[string]string // labels by id; lines end with \n
	edges []drawn
}

type drawn struct {
	from, to, label string
	dashed          bool
}

// The parsers accept less than Mermaid and dot do: no character in a label may have a
// meaning for either of them, or for Markdown or HTML within.
var (
	mermaidLabel = `"((?:[\pL0-9 ,._-]|#[0-9]+;|<br/>)*)"`
	mermaidNode  = regexp.MustCompile(`^    ((?:exchange|queue)[0-9]+)(?:\{\{` + mermaidLabel + `\}\}|\(\[` + mermaidLabel + `\]\))(?::::absent)?$`)
	mermaidEdge  = regexp.MustCompile(`^    (\w+) (-->|-\.->)(?:\|` + mermaidLabel + `\|)? (\w+)$`)
	loose        = regexp.MustCompile(`(?i)(?:^|[^a-z0-9])[._-]|[._-](?:[^a-z0-9]|$)|www\.`) // a list, a rule, emphasis, a link
	entity       = regexp.MustCompile(`#([0-9]+);`)

	graphvizLabel = `"((?:[^"\\&\pC]|\\["\\n]|&amp;)*)"`
	graphvizNode  = regexp.MustCompile(`^    ((?:exchange|queue)[0-9]+) \[label=` + graphvizLabel + `, shape=(?:hexagon|box)(?:, style=dashed)?\]$`)
	graphvizEdge  = regexp.MustCompile(`^    (\w+) -> (\w+) \[label=` + graphvizLabel + `(, style=dashed)?\]$`)
)

func parseMermaid(t *testing.T, text string) diagram {
	t.Helper()
	d := diagram{nodes: map[string]string{}}
	for _, line := range body(t, text, "flowchart LR", "    classDef absent stroke-dasharray:4") {
		if m := mermaidNode.FindStringSubmatch(line); m != nil {
			d.addNode(t, m[1], mermaidText(t, m[2]+m[3]))
			continue
		}
		m := mermaidEdge.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		d.addEdge(t, drawn{from: m[1], to: m[4], label: mermaidText(t, m[3]), dashed: m[2] == "-.->"})
	}
	return d
}

func mermaidText(t *testing.T, label string) string {
	t.Helper()
	require.NotRegexp(t, loose, label)
	return html.UnescapeString(entity.ReplaceAllString(strings.ReplaceAll(label, "<br/>", "\n"), "&#$1;"))
}

func parseGraphviz(t *testing.T, text string) diagram {
	t.Helper()
	d := diagram{nodes: map[string]string{}}
	lines := body(t, text, "digraph topology {", "}")
	require.Equal(t, "    rankdir=LR", lines[0])
	for _, line := range lines[1:] {
		if m := graphvizNode.FindStringSubmatch(line); m != nil {
			d.addNode(t, m[1], graphvizText(m[2]))
			continue
		}
		m := graphvizEdge.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		d.addEdge(t, drawn{from: m[1], to: m[2], label: graphvizText(m[3]), dashed: m[4] != ""})
	}
	return d
}

func graphvizText(label string) string {
	return html.UnescapeString(strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(label))
}

// body returns the lines between the first and the last.
func body(t *testing.T, text, first, last string) []string {
	t.Helper()
	lines := strings.Split(text, "\n")
	require.Empty(t, lines[len(lines)-1], "a line break at the end")
	lines = lines[:len(lines)-1]
	require.Equal(t, first, lines[0])
	require.Equal(t, last, lines[len(lines)-1])
	return lines[1 : len(lines)-1]
}

func (d *diagram) addNode(t *testing.T, id, label string) {
	t.Helper()
	require.NotContains(t, d.nodes, id)
	require.Empty(t, d.edges, "nodes come first")
	d.nodes[id] = label
}

func (d *diagram) addEdge(t *testing.T, e drawn) {
	t.Helper()
	require.Contains(t, d.nodes, e.from)
	require.Contains(t, d.nodes, e.to)
	d.edges = append(d.edges, e)
}

// name returns the name of a node.
func (d *diagram) name(id string) string {
	name, _, _ := strings.Cut(d.nodes[id], "\n")
	return name
}

func TestDiagramsShowTheSame(t *testing.T) {
	t.Parallel()
	for _, topology := range []broker.Topology{mailTopology(), everything()} {
		p := plan.Of(topology)
		require.Equal(t, parseMermaid(t, p.Mermaid()), parseGraphviz(t, p.Graphviz()))
	}
}

func TestDiagramsShowWhereMessagesGo(t *testing.T) {
	t.Parallel()
	d := parseMermaid(t, plan.Of(everything()).Mermaid())
	var edges []string
	for _, e := range d.edges {
		arrow := "-->"
		if e.dashed {
			arrow = "-.->"
		}
		edges = append(edges, fmt.Sprintf("%s %s %s: %s", d.name(e.from), arrow, d.name(e.to), e.label))
	}
	require.Equal(t, []string{
		`orders --> orders: key orders.#`,
		`orders --> orders: key ""`,
		`orders --> "the \"end\"\n": key "*.日本.] | end"`,
		`lost --> lost: `,
		`dead --> dead: `,
		`formats --> orders.wait: format="pdf", pages=1, x-match="all"`,
		`hashed --> replies: key 10`,
		`amq.topic --> nowhere: key #`,
		`unknown --> unheard-of: key k`,
		`orders -.-> lost: unroutable`,
		`formats -.-> elsewhere: unroutable`,
		`orders -.-> dead: dead letters`,
		`"the \"end\"\n" -.-> dead: after 5ms, key ""`,
		`orders.wait -.-> orders: after 1.5s, default exchange`,
		`paced -.-> kept: dead letters, default exchange`,
		`nowhere -.-> gone: dead letters, key k`,
		`keeps -.-> default exchange: dead letters`,
		`misspelt -.-> order: dead letters, default exchange`,
		`round -.-> round: dead letters, default exchange`,
	}, edges)
}

// Each of these means something to Mermaid, to Markdown, to HTML, to dot or to a terminal.
var hostile = []string{
	"", "end", "subgraph", "graph", "default", "(default)", "q\"]", `"`, `\`, `\"`, `a\`, `\N\G`, "a\nb", "a\r\nb", "\n}\ndigraph {", "\t", "\x00", "\x1b[2J",
	"<script>alert(1)</script>", "<br/>", "&lt;b&gt;", "&amp;", "#lt;", "#60;", "#quot;", "ﬂ°°60¶ß", "ﬂ°lt¶ß", "`code`", "*a*", "_a_", "__a__", "**", "1. a",
	"1.", "- a", "---", "%%{init: {}}%%", "%% a", "style x:a#b;", "classDef x:a#b;", "click queue1 href \"javascript:alert(1)\"", ":::absent", "|x|", "-->", "}}", "])",
	"www.example.com", "WWW.example.com", "http://example.com/", "a@example.com", "$$x$$", "fa:fa-car", "\u202eabc", "\u2028", "日本", "é", "\xff", "a\xc3", "😀", "->", "a, b", "a  b",
}

func TestNoNameBreaksAPlan(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		checkPlan(t, s, s+"2", s, s)
		checkPlan(t, "x", "q", s, s)
	}
}

func FuzzPlan(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, "q", hostile[(i+7)%len(hostile)], hostile[(i+13)%len(hostile)])
		f.Add("x", s, s, s)
	}
	f.Fuzz(func(t *testing.T, exchange, queue, key, value string) {
		checkPlan(t, exchange, queue, key, value)
	})
}

// checkPlan plans a topology with these texts wherever there can be one, and requires
// that nothing else changes.
func checkPlan(t *testing.T, exchange, queue, key, value string) {
	t.Helper()
	if exchange == "" || strings.HasPrefix(exchange, "amq.") {
		exchange = "x" + exchange
	}
	if queue == "" {
		queue = "q" // "" is no dead-letter key
	}
	p := plan.Of(broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: exchange, Kind: broker.Kind("x-" + value), Alternate: exchange, Arguments: processor.Headers{key: value}},
		},
		Queues: []broker.Queue{
			{Name: queue, Type: broker.QueueType(value), DeadLetter: &broker.DeadLetter{Exchange: exchange, RoutingKey: key}},
			{Name: queue + "'", Arguments: processor.Headers{key: []any{value}, "x-overflow": value}, DeadLetter: &broker.DeadLetter{RoutingKey: queue}},
		},
		Bindings: []broker.Binding{{Exchange: exchange, Queue: queue, RoutingKey: key, Arguments: processor.Headers{key: processor.Headers{value: value}}}},
	})

	text := p.String()
	require.Equal(t, 7, strings.Count(text, "\n"), "an exchange, two queues, two bindings, two blank lines: %s", text)
	for _, r := range strings.ReplaceAll(text, "\n", "") {
		require.True(t, strconv.IsPrint(r), "%q in %s", r, text)
	}

	mermaid, graphviz := parseMermaid(t, p.Mermaid()), parseGraphviz(t, p.Graphviz())
	require.Len(t, mermaid.nodes, 3)
	require.Len(t, mermaid.edges, 4, "a binding, an alternate, two dead-letter targets")
	require.Equal(t, mermaid, graphviz)
	require.Equal(t, spoken(exchange), mermaid.name("exchange1"))
	for _, d := range []diagram{mermaid, graphviz} {
		names := []string{d.name("queue1"), d.name("queue2")}
		require.ElementsMatch(t, []string{spoken(queue), spoken(queue + "'")}, names)
	}
}

// spoken is name, quoted unless it is one word.
func spoken(name string) string {
	if regexp.MustCompile(`^[\pL\p{Nd}._:/#*@+-]+$`).MatchString(name) && strings.ToValidUTF8(name, "") == name {
		return name
	}
	return strconv.Quote(name)
}
