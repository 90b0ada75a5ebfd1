package settings

import (
	"fmt"

	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/processor"
)

// None stands for an argument that is absent: 0 is a TTL and a length in RabbitMQ.
const None = -1

// reader reads a queue's arguments and collects what is wrong with them.
type reader struct {
	arguments processor.Headers
	errs      []error
}

func (r *reader) has(name string) bool {
	_, ok := r.arguments[name]
	return ok
}

func (r *reader) text(name, absent string) string {
	if !r.has(name) {
		return absent
	}
	s, ok := r.arguments.String(name)
	if !ok {
		r.errs = append(r.errs, fmt.Errorf("%s is a %T, not a string", name, r.arguments[name]))
	}
	return s
}

func (r *reader) number(name string, least int64) int64 {
	if !r.has(name) {
		return None
	}
	n, ok := argument.Integer(r.arguments, name)
	if !ok || n < least {
		r.errs = append(r.errs, fmt.Errorf("%s is %v (%T), not a number of at least %d", name, r.arguments[name], r.arguments[name], least))
	}
	return n
}
