package broker

import (
	"fmt"
	"math"
	"time"

	"github.com/gowarren/warren/processor"
)

// wire copies headers with the types that they have on the wire, and counts the bytes
// that they take there. It stops as soon as they are too many.
type wire struct{ left int }

// prepareHeaders returns a copy of h as the wire has it; nil stays nil.
func prepareHeaders(h processor.Headers) (processor.Headers, error) {
	if h == nil {
		return nil, nil //nolint:nilnil // no headers are no error
	}
	w := wire{left: maxHeaderBytes}
	return w.table(h, 0)
}

func (w *wire) take(bytes int) error {
	if w.left -= bytes; w.left < 0 {
		return fmt.Errorf("%w: the headers take more than %d bytes", processor.ErrTooLarge, maxHeaderBytes)
	}
	return nil
}

func (w *wire) table(h processor.Headers, depth int) (processor.Headers, error) {
	if depth > maxDepth {
		return nil, errTooDeep()
	}
	t := make(processor.Headers, len(h))
	if err := w.take(4); err != nil {
		return nil, err
	}
	for name, value := range h {
		if len(name) > maxShortString {
			return nil, fmt.Errorf("%w: a header's name has %d bytes, the limit is %d", processor.ErrTooLarge, len(name), maxShortString)
		}
		if err := w.take(1 + len(name)); err != nil {
			return nil, err
		}
		v, err := w.value(value, depth)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", name, err)
		}
		t[name] = v
	}
	return t, nil
}

func (w *wire) list(list []any, depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, errTooDeep()
	}
	if err := w.take(4); err != nil {
		return nil, err
	}
	items := make([]any, len(list))
	for i, value := range list {
		v, err := w.value(value, depth)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		items[i] = v
	}
	return items, nil
}

func errTooDeep() error {
	return fmt.Errorf("%w: headers are nested over %d levels deep", processor.ErrTooLarge, maxDepth)
}

// value returns v as the wire has it. One byte is taken for its type.
func (w *wire) value(v any, depth int) (any, error) {
	v, err := plain(v)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		if err := w.take(1); err != nil {
			return nil, err
		}
		return w.list(v, depth+1)
	case processor.Headers:
		if err := w.take(1); err != nil {
			return nil, err
		}
		return w.table(v, depth+1)
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

// size is what a plain value takes on the wire, in bytes, without its type.
func size(v any) int {
	switch v := v.(type) {
	case bool, int8, uint8:
		return 1
	case int16:
		return 2
	case int32, float32:
		return 4
	case processor.Decimal:
		return 5
	case int64, float64, time.Time:
		return 8
	case string:
		return 4 + len(v)
	case []byte:
		return 4 + len(v)
	}
	return 0
}
