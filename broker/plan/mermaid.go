package plan

import (
	"fmt"
	"strings"
	"unicode"
)

// Mermaid returns a flowchart in Mermaid's language, which many forges and wikis draw:
// hexagons are exchanges, arrows with a key or arguments are bindings, dashed arrows are
// TTLs, dead-letter targets and alternate exchanges. Parts that are named, but
// not declared here, have a dashed border. Names are escaped and cannot break it.
func (p Plan) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	g := p.graph()
	for _, n := range g.nodes {
		opening, closing := `{{"`, `"}}`
		if n.queue {
			opening, closing = `(["`, `"])`
		}
		if n.absent {
			closing += ":::absent"
		}
		b.WriteString("    " + n.id + opening + strings.Join(escapeAll(n.lines, escapeMermaid), "<br/>") + closing + "\n")
	}
	for _, e := range g.edges {
		arrow := "-->"
		if e.dashed {
			arrow = "-.->"
		}
		if e.label != "" {
			arrow += `|"` + escapeMermaid(e.label) + `"|`
		}
		b.WriteString("    " + e.from + " " + arrow + " " + e.to + "\n")
	}
	b.WriteString("    classDef absent stroke-dasharray:4\n")
	return b.String()
}

func escapeAll(lines []string, escape func(string) string) []string {
	escaped := make([]string, len(lines))
	for i, s := range lines {
		escaped[i] = escape(s)
	}
	return escaped
}

// escapeMermaid turns every character that could have a meaning in Mermaid, in the Markdown
// within its labels or in HTML into an entity.
func escapeMermaid(s string) string {
	var b strings.Builder
	text := []rune(s)
	for i, r := range text {
		if r == ' ' || r == ',' || unicode.IsLetter(r) || isDigit(r) || harmlessBetween(text, i) {
			b.WriteRune(r)
		} else {
			_, _ = fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// harmlessBetween reports whether text[i] is punctuation without a meaning between two
// letters or digits, as in mail_retry_1; elsewhere it may make a list, a rule or emphasis.
// A dot after www makes a link.
func harmlessBetween(text []rune, i int) bool {
	if i == 0 || i == len(text)-1 || !isWord(text[i-1]) || !isWord(text[i+1]) {
		return false
	}
	return text[i] == '_' || text[i] == '-' || text[i] == '.' && text[i-1] != 'w' && text[i-1] != 'W'
}

func isWord(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || isDigit(r) }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }
