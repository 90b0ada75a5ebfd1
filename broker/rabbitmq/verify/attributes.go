package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// attributes are the fields and arguments that an exchange or a queue is declared with, under
// RabbitMQ's names.
type attributes map[string]any

// The names of the fields.
const (
	kindField       = "type"
	durableField    = "durable"
	autoDeleteField = "auto_delete"
	internalField   = "internal"
	queueTypeArg    = "x-queue-type"
	alternateArg    = "alternate-exchange"
	ttlArg          = "x-message-ttl"
	overflowArg     = "x-overflow"
	limitArg        = "x-delivery-limit"
)

func exchangeAttributes(x broker.Exchange) attributes {
	a := attributes(x.AllArguments())
	a[kindField], a[durableField], a[autoDeleteField], a[internalField] = string(x.Kind), !x.Transient, x.AutoDelete, x.Internal
	return a
}

func queueAttributes(q broker.Queue) attributes {
	a := attributes(q.AllArguments())
	a[durableField], a[autoDeleteField] = !q.Transient, q.AutoDelete
	return a
}

// arguments is a without the fields.
func (a attributes) arguments() processor.Headers {
	h := processor.Headers(maps.Clone(a))
	for _, field := range []string{kindField, durableField, autoDeleteField, internalField} {
		delete(h, field)
	}
	return h
}

func (a attributes) flag(field string) bool { on, _ := a[field].(bool); return on }

func (a attributes) text(name string) string { s, _ := a[name].(string); return s }

// number is an integer of any width.
func (a attributes) number(name string) (int64, bool) {
	n, ok := normal(a[name]).(int64)
	return n, ok
}

// queueType is classic if none is given: RabbitMQ treats them as equal.
func (a attributes) queueType() string {
	if t, ok := a[queueTypeArg].(string); ok {
		return t
	}
	return string(broker.Classic)
}

// deadLetters returns where the dead letters go; ok is false for nowhere.
func (a attributes) deadLetters() (exchange, key string, ok bool) {
	exchange, ok = a["x-dead-letter-exchange"].(string)
	return exchange, a.text("x-dead-letter-routing-key"), ok
}

// isDelay reports whether the queue passes on what has waited in it. A queue that drops expired
// messages is no delay.
func (a attributes) isDelay() bool {
	_, _, hasTarget := a.deadLetters()
	_, hasTTL := a[ttlArg]
	return hasTTL && hasTarget
}

// rejects reports whether the queue has a bound and refuses what exceeds it.
func (a attributes) rejects() bool {
	_, messages := a["x-max-length"]
	_, bytes := a["x-max-length-bytes"]
	return strings.HasPrefix(a.text(overflowArg), string(broker.RejectPublish)) && (messages || bytes)
}

// differences says, for each name in order, how live differs from planned.
func differences(planned, live attributes) []string {
	names := maps.Clone(planned)
	maps.Copy(names, live)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		p, isPlanned := planned[name]
		l, isLive := live[name]
		if name == queueTypeArg && planned.queueType() == live.queueType() || isPlanned == isLive && same(p, l) {
			continue
		}
		list = append(list, fmt.Sprintf("%s: planned %s, live %s", name, shown(name, p, isPlanned), shown(name, l, isLive)))
	}
	return list
}

func same(planned, live any) bool { return reflect.DeepEqual(normal(planned), normal(live)) }

// normal makes equal values equal whatever their integer width, and whether they come from a
// topology or from management, whose JSON has a word for null, seconds for times and text for
// bytes.
func normal(v any) any {
	switch v := v.(type) {
	case nil:
		return "undefined"
	case int8, int16, int32, int64:
		return reflect.ValueOf(v).Int()
	case uint8:
		return int64(v)
	case float32:
		return float64(v)
	case []byte:
		return string(v)
	case time.Time:
		return v.Unix()
	case json.Number:
		return fromNumber(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = normal(item)
		}
		return list
	case processor.Headers:
		return normal(map[string]any(v))
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, value := range v {
			object[name] = normal(value)
		}
		return object
	case processor.Decimal:
		return normal(json.Number(fmt.Sprintf("%d.%d", v.Scale, v.Value))) // as management does
	}
	return v
}

func fromNumber(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return f
}

// longestShown bounds the text of a value.
const longestShown = 200

// shown is a value for a report. Milliseconds are shown as a duration too.
func shown(name string, v any, there bool) string {
	if !there {
		return "none"
	}
	switch v := normal(v).(type) {
	case string:
		return strconv.Quote(excerpt.Of(v, longestShown))
	case int64:
		if d := time.Duration(v) * time.Millisecond; v > 0 && (name == ttlArg || name == "x-expires") {
			return fmt.Sprintf("%d (%v)", v, d)
		}
		return strconv.FormatInt(v, 10)
	default:
		return excerpt.Of(fmt.Sprint(v), longestShown)
	}
}
