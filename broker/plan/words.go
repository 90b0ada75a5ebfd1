package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/internal/quote"
	"github.com/gowarren/warren/processor"
)

// words describes a part. Arguments with a description are removed from arguments; the others
// are shown as they are.
type words struct {
	arguments processor.Headers
	said      []string
}

func (w *words) sayf(format string, values ...any) {
	w.said = append(w.said, fmt.Sprintf(format, values...))
}

func (w *words) sayIf(condition bool, text string) {
	if condition {
		w.said = append(w.said, text)
	}
}

func (w *words) duration(name, format string) {
	if d, ok := argument.Milliseconds(w.arguments, name); ok {
		delete(w.arguments, name)
		w.sayf(format, d)
	}
}

func (w *words) number(name, format string) {
	if n, ok := argument.Integer(w.arguments, name); ok {
		delete(w.arguments, name)
		w.sayf(format, n)
	}
}

func (w *words) text(name, format string) {
	if s, ok := w.arguments[name].(string); ok {
		delete(w.arguments, name)
		w.sayf(format, quote.Name(s))
	}
}

// rest adds the arguments without a description.
func (w *words) rest() {
	if len(w.arguments) > 0 {
		w.said = append(w.said, pairs(w.arguments, 0))
	}
}

func (w *words) String() string { return strings.Join(w.said, ", ") }

// deepest is how deep arguments are shown: a map of an invalid topology may hold itself.
const deepest = 8

func pairs(h processor.Headers, depth int) string {
	list := make([]string, 0, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		list = append(list, quote.Name(name)+"="+shown(h[name], depth))
	}
	return strings.Join(list, ", ")
}

// shown is an argument's value. Text is quoted, which tells it from a number.
func shown(v any, depth int) string {
	if depth > deepest {
		return "..."
	}
	switch v := v.(type) {
	case nil, bool, int8, uint8, int16, int32, int64:
		return fmt.Sprint(v)
	case string:
		return strconv.Quote(v)
	case []byte:
		return fmt.Sprintf("%#x", v)
	case float32:
		return float(float64(v))
	case float64:
		return float(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case processor.Decimal:
		return fmt.Sprintf("%de-%d", v.Value, v.Scale)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = shown(item, depth+1)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case processor.Headers:
		return "{" + pairs(v, depth+1) + "}"
	}
	return fmt.Sprintf("a %T, which cannot be sent", v)
}

// float always has a fraction or an exponent with one, so that JSON, RabbitMQ and readers can
// tell it from an integer.
func float(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(s, ".IN") { // or no number: Inf and NaN
		return s
	}
	mantissa, exponent, scientific := strings.Cut(s, "e")
	if scientific {
		return mantissa + ".0e" + exponent
	}
	return s + ".0"
}
