package memory

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// headersRouter routes by the arguments of bindings.
type headersRouter struct {
	patterns []headerPattern
}

type headerPattern struct {
	queue *queue
	any   bool
	want  processor.Headers
}

func (r *headersRouter) bind(b broker.Binding, q *queue) {
	match, _ := b.Arguments.String("x-match")
	withX := strings.HasSuffix(match, "-with-x")
	want := processor.Headers{}
	for name, value := range b.Arguments {
		if name != "x-match" && (withX || !strings.HasPrefix(name, "x-")) {
			want[name] = value
		}
	}
	r.patterns = append(r.patterns, headerPattern{queue: q, any: strings.HasPrefix(match, "any"), want: want})
}

func (r *headersRouter) route(m *message, to *targets) {
	for _, p := range r.patterns {
		if p.matches(m.envelope.Headers) {
			to.add(p.queue)
		}
	}
}

// matches ends at the first header that decides: a hit for any, a miss for all.
func (p headerPattern) matches(h processor.Headers) bool {
	for name, want := range p.want {
		got, ok := h[name]
		hit := ok && (want == nil || equalValue(want, got))
		if hit == p.any {
			return hit
		}
	}
	return !p.any
}

// equalValue compares as RabbitMQ does, by value: numbers of any type are equal, a
// time is its number of seconds, text is its bytes.
func equalValue(a, b any) bool {
	x, xok := number(a)
	y, yok := number(b)
	if xok || yok {
		return xok && yok && x == y
	}
	s, sok := text(a)
	t, tok := text(b)
	if sok || tok {
		return sok && tok && bytes.Equal(s, t)
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	if t, ok := v.(time.Time); ok {
		return float64(t.Unix()), true
	}
	if _, ok := text(v); ok {
		return 0, false // the getter would read a numeric string
	}
	return processor.Headers{"": v}.Float64("")
}

func text(v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return []byte(v), true
	case []byte:
		return v, true
	}
	return nil, false
}

// checkMatch refuses an x-match that RabbitMQ does not know.
func checkMatch(b broker.Binding) error {
	value, ok := b.Arguments["x-match"]
	if !ok {
		return nil
	}
	switch value {
	case "all", "any", "all-with-x", "any-with-x":
		return nil
	}
	return fmt.Errorf("memory: binding of queue %q to exchange %q: %w: x-match is %v; it must be all, any, all-with-x or any-with-x",
		b.Queue, b.Exchange, broker.ErrTopology, value)
}
