package processor

import (
	"errors"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"
)

// Headers are a message's application headers. Any value may come from a hostile
// sender: read them with the getters, which never panic.
//
// Every broker carries these value types and delivers the same type: nil, bool,
// int8, int16, int32, int64, uint8, uint16, uint32, float32, float64, string, []byte, [Decimal],
// time.Time (whole seconds), []any and Headers. A publisher turns int and uint into an int32, or an
// int64 if it is beyond that, uint64 into an int64, and map[string]any into Headers. Any other type,
// or a uint64 beyond int64, is refused when publishing.
//
// Python's py-amqp reads an int64 as if it had no sign: -1 becomes 18446744073709551615. Send it a
// negative number as an int, or as text if it is below -2147483648.
//
// Headers are not safe for writing from several goroutines.
type Headers map[string]any

// Decimal is AMQP's decimal: Value divided by ten to the power of Scale.
type Decimal struct {
	Scale uint8
	Value int32
}

// Int64 returns the header name as an integer. It accepts every integer type and a
// numeric string or []byte. A number beyond the range of int64 is clamped to it. It returns
// false if the header is absent or anything else.
func (h Headers) Int64(name string) (int64, bool) {
	switch v := h[name].(type) {
	case int:
		return int64(v), true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint:
		return clampUint(uint64(v)), true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return clampUint(v), true
	case string:
		return parseInt(v)
	case []byte:
		return parseInt(string(v))
	}
	return 0, false
}

func clampUint(v uint64) int64 {
	if v > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(v)
}

func parseInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return n, true
}

// String returns the header name as text. It accepts string and []byte, and returns
// false if the header is absent or anything else.
func (h Headers) String(name string) (string, bool) {
	switch v := h[name].(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// Bool returns the header name if it is a bool.
func (h Headers) Bool(name string) (value, ok bool) {
	value, ok = h[name].(bool)
	return value, ok
}

// Float64 returns the header name as a float. It accepts float32, float64 and every
// integer type, and returns false if the header is absent or anything else.
func (h Headers) Float64(name string) (float64, bool) {
	switch v := h[name].(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	case string, []byte:
		return 0, false
	}
	n, ok := h.Int64(name)
	return float64(n), ok
}

// Time returns the header name if it is a time.
func (h Headers) Time(name string) (time.Time, bool) {
	v, ok := h[name].(time.Time)
	return v, ok
}

// Table returns the header name if it is a nested table.
func (h Headers) Table(name string) (Headers, bool) {
	switch v := h[name].(type) {
	case Headers:
		return v, true
	case map[string]any:
		return v, true
	}
	return nil, false
}

// List returns the header name if it is an array.
func (h Headers) List(name string) ([]any, bool) {
	v, ok := h[name].([]any)
	return v, ok
}

// Clone returns a shallow copy that may be written to. The clone of nil is empty and
// writable. Nested tables and arrays are shared.
func (h Headers) Clone() Headers {
	if h == nil {
		return Headers{}
	}
	return maps.Clone(h)
}
