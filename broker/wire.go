package broker

import (
	"fmt"
	"strings"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// The most that amqp091-go, and so a consumer, can read. It closes the connection over a message
// that has more, and the broker redelivers that message, again and again.
const (
	maxEntries = 8192 // of the headers, and of each table and list in them
	maxNesting = 32   // levels of tables and lists in the headers
)

// wire copies headers with the types that they have on the wire, and counts the bytes
// that they take there. It stops as soon as they are too many.
type wire struct {
	left      int
	level     int  // of nested tables and lists
	arguments bool // and not headers: see signedArgument

	// The names of the headers that it is in; where it stopped, after an error.
	path  [8]string
	depth int // may be more than path has room for
}

// prepareHeaders returns a copy of h as the wire has it; nil stays nil.
func prepareHeaders(h processor.Headers) (processor.Headers, error) {
	return (&wire{left: defaultFrame}).prepare(h)
}

// prepareArguments is prepareHeaders for the arguments of a queue, an exchange or a binding.
func prepareArguments(h processor.Headers) (processor.Headers, error) {
	return (&wire{left: defaultFrame, arguments: true}).prepare(h)
}

func (w *wire) prepare(h processor.Headers) (processor.Headers, error) {
	if h == nil {
		return nil, nil //nolint:nilnil // no headers are no error
	}
	if err := checkEntries(len(h)); err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	t := make(processor.Headers, len(h))
	for name, value := range h {
		if err := w.field(t, name, value); err != nil {
			return nil, fmt.Errorf("header %q: %w", w.place(), err)
		}
	}
	return t, nil
}

func (w *wire) take(bytes int) error {
	if w.left -= bytes; w.left < 0 {
		return fmt.Errorf("%w: the headers take more than %d bytes", processor.ErrTooLarge, defaultFrame)
	}
	return nil
}

// enter goes into a table or a list.
func (w *wire) enter(entries int) error {
	if w.level++; w.level > maxNesting {
		return fmt.Errorf("%w: tables and lists are nested over %d levels deep, and no consumer can read that", processor.ErrTooLarge, maxNesting)
	}
	if err := checkEntries(entries); err != nil {
		return err
	}
	return w.take(1 + 4)
}

func checkEntries(n int) error {
	if n > maxEntries {
		return fmt.Errorf("%w: %d entries, and no consumer can read over %d in one table or list", processor.ErrTooLarge, n, maxEntries)
	}
	return nil
}

func (w *wire) table(h processor.Headers) (processor.Headers, error) {
	if err := w.enter(len(h)); err != nil {
		return nil, err
	}
	t := make(processor.Headers, len(h))
	for name, value := range h {
		if err := w.field(t, name, value); err != nil {
			return nil, err
		}
	}
	w.level--
	return t, nil
}

func (w *wire) field(t processor.Headers, name string, value any) error {
	if w.depth < len(w.path) {
		w.path[w.depth] = name
	}
	w.depth++
	if len(name) > maxShortString {
		return fmt.Errorf("%w: a header's name has %d bytes, the limit is %d", processor.ErrTooLarge, len(name), maxShortString)
	}
	if err := w.take(1 + len(name)); err != nil {
		return err
	}
	v, err := w.value(value)
	if err != nil {
		return err
	}
	w.depth--
	t[name] = v
	return nil
}

// place is where it stopped, cut short: names may be long.
func (w *wire) place() string {
	return excerpt.Of(strings.Join(w.path[:min(w.depth, len(w.path))], "."), 256)
}

func (w *wire) list(list []any) ([]any, error) {
	if err := w.enter(len(list)); err != nil {
		return nil, err
	}
	items := make([]any, len(list))
	for i, value := range list {
		v, err := w.value(value)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	w.level--
	return items, nil
}

// value returns v as the wire has it. One byte is taken for its type.
func (w *wire) value(v any) (any, error) {
	if w.arguments {
		v = signedArgument(v)
	}
	v, err := plain(v)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		return w.list(v)
	case processor.Headers:
		return w.table(v)
	}
	return v, w.take(1 + size(v))
}
