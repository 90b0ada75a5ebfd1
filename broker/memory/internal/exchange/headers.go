package exchange

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/processor"
)

// headers routes by the arguments of bindings.
type headers struct {
	patterns []pattern
	mixed    bool // an integer equals a float, or a time, as up to RabbitMQ 3.10
}

type pattern struct {
	queue *queue.Queue
	any   bool
	want  processor.Headers
}

func (r *headers) bind(b broker.Binding, q *queue.Queue) {
	match, _ := b.Arguments.String("x-match")
	withX := strings.HasSuffix(match, "-with-x")
	want := processor.Headers{}
	for name, value := range b.Arguments {
		if name != "x-match" && (withX || !strings.HasPrefix(name, "x-")) {
			want[name] = value
		}
	}
	r.patterns = append(r.patterns, pattern{queue: q, any: strings.HasPrefix(match, "any"), want: want})
}

func (r *headers) route(m *message.Message, to *targets) {
	for _, p := range r.patterns {
		if p.matches(m.Envelope.Headers, r.mixed) {
			to.add(p.queue)
		}
	}
}

// matches ends at the first header that decides: a hit for any, a miss for all.
func (p pattern) matches(h processor.Headers, mixed bool) bool {
	for name, want := range p.want {
		_, there := h[name]
		hit := there && (want == nil || equalHeader(p.want, h, name, mixed))
		if hit == p.any {
			return hit
		}
	}
	return !p.any
}

// equalHeader compares the wanted value with a header as RabbitMQ does: by value, whatever the size
// of an integer or a float. A time is its number of seconds, text is its bytes. If mixed, an
// integer may equal a float; if not, a header that is a time equals nothing.
func equalHeader(want, got processor.Headers, name string, mixed bool) bool {
	s, wantsText := want.String(name)
	t, isText := got.String(name)
	if wantsText || isText {
		return wantsText && isText && s == t
	}
	if _, isTime := got.Time(name); isTime && !mixed {
		return false
	}
	i, wantsWhole := whole(want, name)
	j, isWhole := whole(got, name)
	f, wantsNumber := number(want, name)
	g, isNumber := number(got, name)
	switch {
	case wantsWhole && isWhole:
		return i == j
	case wantsNumber && isNumber && (mixed || !wantsWhole && !isWhole):
		return f == g
	}
	return reflect.DeepEqual(want[name], got[name])
}

// whole returns an integer, or the seconds of a time.
func whole(h processor.Headers, name string) (int64, bool) {
	if t, ok := h.Time(name); ok {
		return t.Unix(), true
	}
	return h.Int64(name)
}

// number returns any number as a float.
func number(h processor.Headers, name string) (float64, bool) {
	if n, ok := whole(h, name); ok {
		return float64(n), true
	}
	return h.Float64(name)
}

// Check refuses a binding whose x-match is one that RabbitMQ does not know.
func Check(b broker.Binding) error {
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
