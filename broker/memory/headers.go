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
	mixed    bool // an integer equals a float, or a time, as up to RabbitMQ 3.10
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
		if p.matches(m.envelope.Headers, r.mixed) {
			to.add(p.queue)
		}
	}
}

// matches ends at the first header that decides: a hit for any, a miss for all.
func (p headerPattern) matches(h processor.Headers, mixed bool) bool {
	for name, want := range p.want {
		got, ok := h[name]
		hit := ok && (want == nil || equalValue(want, got, mixed))
		if hit == p.any {
			return hit
		}
	}
	return !p.any
}

// equalValue compares what is wanted with a header as RabbitMQ does, by value: integers of any
// size are equal, as are floats, a time is its number of seconds, text is its bytes. Mixed, an
// integer equals a float; else a header that is a time equals nothing.
func equalValue(want, got any, mixed bool) bool {
	if s, ok := text(want); ok {
		t, ok := text(got)
		return ok && bytes.Equal(s, t)
	}
	if _, ok := got.(time.Time); ok && !mixed {
		return false
	}
	i, aWhole := whole(want)
	j, bWhole := whole(got)
	f, aFloat := float(want)
	g, bFloat := float(got)
	switch {
	case aWhole && bWhole:
		return i == j
	case aFloat && bFloat:
		return f == g
	case aWhole && bFloat:
		return mixed && float64(i) == g
	case aFloat && bWhole:
		return mixed && f == float64(j)
	}
	return reflect.DeepEqual(want, got)
}

func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint8:
		return int64(v), true
	case time.Time:
		return v.Unix(), true
	}
	return 0, false
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
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
