package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/gowarren/warren/processor"
)

// Description lists the layers of a pipeline and what becomes of its messages. It
// prints as text and encodes as JSON.
type Description struct {
	// Layers are outermost first; the last is the handler.
	Layers []LayerDescription `json:"layers"`
	// Outcomes are what becomes of a message in each [Case].
	Outcomes []Outcome `json:"outcomes"`
	// Assumed are the names of the layers that do not predict outcomes. They are taken to
	// pass them on unchanged.
	Assumed []string `json:"assumed,omitempty"`
}

// LayerDescription is one layer of a [Description].
type LayerDescription struct {
	Name string `json:"name"`
	// Role is "" for a layer whose place does not matter.
	Role     Role      `json:"role,omitempty"`
	Settings []Setting `json:"settings,omitempty"`
}

// Setting is one setting of a layer, as its options name it. It holds no secrets.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Describer is implemented by layers that have settings.
type Describer interface {
	// Settings are all settings, defaults included.
	Settings() []Setting
}

// Describe returns the layers of the pipeline and what becomes of its messages. The
// outcomes are combined from the predictions of the layers ([Predictor]). Package
// processortest checks each prediction, and a test runs stacks of the shipped layers on a
// broker. No message is processed.
func (p *Pipeline) Describe() Description { return Describe(shown(p.layers)) }

// Describe is [Pipeline.Describe] for layers that are not in a pipeline, outermost first and the handler
// last, at least one: for one way through a handler that branches, or for layers composed by hand.
func Describe(layers []processor.Processor) Description {
	d := Description{Layers: make([]LayerDescription, len(layers))}
	for i, layer := range layers {
		d.Layers[i] = describe(layer)
		if _, ok := layer.(Predictor); !ok && i < len(layers)-1 {
			d.Assumed = append(d.Assumed, d.Layers[i].Name)
		}
	}
	for _, c := range cases(layers) {
		d.Outcomes = append(d.Outcomes, predict(c, layers))
	}
	return d
}

func describe(layer processor.Processor) LayerDescription {
	d := LayerDescription{Name: layerName(layer), Role: roleOf(layer)}
	if s, ok := layer.(Describer); ok {
		d.Settings = s.Settings()
	}
	return d
}

func cases(layers []processor.Processor) []Case {
	all := []Case{CaseSuccess, CaseError, CasePermanentError, CasePanic, CaseTimeout}
	for _, layer := range layers {
		l, ok := layer.(Caser)
		if !ok {
			continue
		}
		for _, c := range l.Cases() {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return append(all, CaseShutdown)
}

// String returns the description as two tables.
func (d Description) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, l := range d.Layers {
		_, _ = fmt.Fprintf(w, "%d\t%s", i+1, l.Name)
		if notes := l.notes(); notes != "" {
			_, _ = fmt.Fprintf(w, "\t%s", notes)
		}
		_, _ = fmt.Fprintln(w)
	}
	_, _ = fmt.Fprintln(w)
	for _, o := range d.Outcomes {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", o.Case, o)
	}
	_ = w.Flush() // into a strings.Builder, which does not fail
	if len(d.Assumed) > 0 {
		b.WriteString("\nTaken to pass on what they get: " + strings.Join(d.Assumed, ", ") + ".\n")
	}
	return b.String()
}

func (l LayerDescription) notes() string {
	notes := make([]string, len(l.Settings))
	for i, s := range l.Settings {
		notes[i] = s.Name + ": " + cmp.Or(oneLine(s.Value), `""`)
	}
	return strings.Join(notes, ", ")
}

// oneLine keeps a value, such as a SQL statement, from breaking the table.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
