package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gowarren/warren/processor"
)

// words say what a part is declared with. What is said of an argument is taken from
// arguments; the rest of them are said as they are.
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

func (w *words) duration(argument, format string) {
	if d, ok := milliseconds(w.arguments, argument); ok {
		delete(w.arguments, argument)
		w.sayf(format, d)
	}
}

func (w *words) number(argument, format string) {
	if n, ok := integer(w.arguments, argument); ok {
		delete(w.arguments, argument)
		w.sayf(format, n)
	}
}

func (w *words) text(argument, format string) {
	if s, ok := w.arguments[argument].(string); ok {
		delete(w.arguments, argument)
		w.sayf(format, inText(s))
	}
}

// rest says the arguments that nothing was said of.
func (w *words) rest() {
	if len(w.arguments) > 0 {
		w.said = append(w.said, pairs(w.arguments, 0))
	}
}

func (w *words) String() string { return strings.Join(w.said, ", ") }

// milliseconds reads a duration that the broker would take.
func milliseconds(arguments processor.Headers, name string) (time.Duration, bool) {
	n, ok := integer(arguments, name)
	if !ok || n < 0 || n > maxExpiration.Milliseconds() {
		return 0, false
	}
	return time.Duration(n) * time.Millisecond, true
}

// integer reads no text: the broker would refuse it.
func integer(arguments processor.Headers, name string) (int64, bool) {
	if _, isText := arguments.String(name); isText {
		return 0, false
	}
	return arguments.Int64(name)
}

// inText is a name as it stands in a text: bare if it is one word, else quoted, so that
// no name breaks a line, moves the cursor or passes for something else.
func inText(name string) string {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-:/#*@+", r)
	}
	if name == "" || strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
}

// deepest is how deep arguments are shown: a map of an invalid topology may hold itself.
const deepest = 8

func pairs(h processor.Headers, depth int) string {
	list := make([]string, 0, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		list = append(list, inText(name)+"="+shown(h[name], depth))
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

// float always has a fraction or an exponent with one, which JSON, RabbitMQ and readers
// tell from an integer.
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
