package broker

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// wire copies headers with the types that they have on the wire, and counts the bytes
// that they take there. It stops as soon as they are too many, which also bounds how deep
// they are nested: a level takes five bytes.
type wire struct {
	left int

	// The names of the headers that it is in; where it stopped, after an error.
	path  [8]string
	depth int // may be more than path has room for
}

// prepareHeaders returns a copy of h as the wire has it; nil stays nil.
func prepareHeaders(h processor.Headers) (processor.Headers, error) {
	if h == nil {
		return nil, nil //nolint:nilnil // no headers are no error
	}
	w := wire{left: defaultFrame}
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

func (w *wire) table(h processor.Headers) (processor.Headers, error) {
	t := make(processor.Headers, len(h))
	if err := w.take(4); err != nil {
		return nil, err
	}
	for name, value := range h {
		if err := w.field(t, name, value); err != nil {
			return nil, err
		}
	}
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

// place is where it stopped, cut short: headers may be nested thousands deep.
func (w *wire) place() string {
	return excerpt.Of(strings.Join(w.path[:min(w.depth, len(w.path))], "."), 256)
}

func (w *wire) list(list []any) ([]any, error) {
	if err := w.take(4); err != nil {
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
	return items, nil
}

// value returns v as the wire has it. One byte is taken for its type.
func (w *wire) value(v any) (any, error) {
	v, err := plain(v)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		if err := w.take(1); err != nil {
			return nil, err
		}
		return w.list(v)
	case processor.Headers:
		if err := w.take(1); err != nil {
			return nil, err
		}
		return w.table(v)
	}
	return v, w.take(1 + size(v))
}

// plain turns v into a type that every broker carries.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int8, uint8, int16, int32, float32, int64, float64, processor.Decimal, string, []any, processor.Headers:
		return v, nil
	case []byte:
		return append([]byte{}, v...), nil
	case time.Time:
		return v.UTC().Truncate(time.Second), nil
	case map[string]any:
		return processor.Headers(v), nil
	case int:
		return int64(v), nil
	case uint16:
		return int32(v), nil
	case uint32:
		return int64(v), nil
	case uint:
		return signed(uint64(v))
	case uint64:
		return signed(v)
	}
	return nil, fmt.Errorf("%w: %T; see processor.Headers for those that can", processor.ErrHeaderType, v)
}

func signed(v uint64) (any, error) {
	if v > math.MaxInt64 {
		return nil, fmt.Errorf("%w: %d is beyond a signed 64-bit integer", processor.ErrHeaderType, v)
	}
	return int64(v), nil
}
