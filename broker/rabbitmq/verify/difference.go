package verify

import (
	"errors"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// told is a difference that the broker has named.
type told struct {
	name  string
	value any  // the live one; nil if there is none
	known bool // the value was told, and can be asked with
}

// notTold stands for a value that was not told.
const notTold = "(the broker does not tell)"

// readDifference reads RabbitMQ's text about what was declared as sent. It is cut off at 255 bytes,
// which long names use up:
//
//	inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '5' but current is '6'
//	... received none but current is the value '6' of type 'signedint'
func readDifference(err error, what string, sent attributes) (told, bool) {
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code != amqp.PreconditionFailed {
		return told{}, false
	}
	_, text, found := strings.Cut(e.Reason, "inequivalent arg '")
	if !found {
		return told{}, false
	}
	name, values, whole := strings.Cut(text, "' for "+what+" in vhost '")
	if !whole {
		name, _, _ = strings.Cut(text, "'")
	}
	d := told{name: name, value: notTold}
	if _, live, ok := strings.Cut(values, " but current is "); ok {
		d.read(live, sent[name])
	}
	return d, true
}

// read reads a value. Where sent has one too, its type is not told, and is the same.
func (d *told) read(live string, sent any) {
	if live == "none" {
		d.value, d.known = nil, true
		return
	}
	kind := kindOf(sent)
	if value, ok := strings.CutPrefix(live, "the value "); ok {
		i := strings.LastIndex(value, " of type '")
		if i < 0 {
			return
		}
		live, kind = value[:i], strings.Trim(value[i+len(" of type '"):], "'")
	}
	live, opened := strings.CutPrefix(live, "'")
	live, closed := strings.CutSuffix(live, "'")
	if !opened || !closed {
		return
	}
	if d.name == kindField {
		live = strings.Trim(live, "'") // x-random has two pairs
	}
	if value, ok := parse(live, kind); ok {
		d.value, d.known = value, true
	}
}

// kindOf names the type of a value as the broker does.
func kindOf(v any) string {
	switch normal(v).(type) {
	case bool:
		return "bool"
	case int64:
		return "long"
	}
	return "longstr"
}

func parse(value, kind string) (any, bool) {
	switch kind {
	case "longstr":
		return value, true
	case "bool":
		b, err := strconv.ParseBool(value)
		return b, err == nil
	case "long", "signedint", "short", "byte", "unsignedbyte", "unsignedshort", "unsignedint":
		n, err := strconv.ParseInt(value, 10, 64)
		return n, err == nil
	}
	return nil, false
}
