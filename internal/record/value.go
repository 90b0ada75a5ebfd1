package record

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gowarren/warren/processor"
)

// maxDepth is how deep tables and arrays may lie in one another.
const maxDepth = 100

var errForm = errors.New("this is no value of a header")

// text is JSON's string where that can hold s, and {"text": base64} where s is no UTF-8.
func text(s string) any {
	if utf8.ValidString(s) {
		return s
	}
	return map[string]string{"text": base64.StdEncoding.EncodeToString([]byte(s))}
}

// write returns v in JSON's terms: null, true and text are themselves, and whatever else is an object with one
// member, whose name is the type.
func write(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: it is nested more than %d deep", processor.ErrHeaderType, maxDepth)
	}
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		return text(v), nil
	case []byte:
		return map[string]string{"bytes": base64.StdEncoding.EncodeToString(v)}, nil
	case float32:
		return map[string]string{"float32": strconv.FormatUint(uint64(math.Float32bits(v)), 16)}, nil
	case float64:
		return map[string]string{"float64": strconv.FormatUint(math.Float64bits(v), 16)}, nil
	case processor.Decimal:
		return map[string][2]int64{"decimal": {int64(v.Scale), int64(v.Value)}}, nil
	case time.Time:
		return map[string]int64{"time": v.Unix()}, nil
	case []any:
		return writeList(v, depth)
	case processor.Headers:
		return writeTable(v, depth)
	case map[string]any:
		return writeTable(v, depth)
	}
	return writeInteger(v)
}

// writeInteger names the type that a broker delivers: a publisher turns int and uint into an int32 if that holds them,
// and what is wider into an int64.
func writeInteger(v any) (any, error) {
	switch v := v.(type) {
	case int8:
		return map[string]int64{"int8": int64(v)}, nil
	case int16:
		return map[string]int64{"int16": int64(v)}, nil
	case int32:
		return map[string]int64{"int32": int64(v)}, nil
	case int64:
		return map[string]int64{"int64": v}, nil
	case uint8:
		return map[string]int64{"uint8": int64(v)}, nil
	case uint16:
		return map[string]int64{"uint16": int64(v)}, nil
	case uint32:
		return map[string]int64{"uint32": int64(v)}, nil
	case int:
		return map[string]int64{narrow(int64(v)): int64(v)}, nil
	case uint:
		if v <= math.MaxInt32 {
			return map[string]int64{"int32": int64(v)}, nil
		}
		return writeWide(uint64(v))
	case uint64:
		return writeWide(v)
	}
	return nil, fmt.Errorf("%w: %T", processor.ErrHeaderType, v)
}

// narrow is the type of an int.
func narrow(v int64) string {
	if int64(int32(v)) == v { //nolint:gosec // asks whether it fits
		return "int32"
	}
	return "int64"
}

func writeWide(v uint64) (any, error) {
	if v > math.MaxInt64 {
		return nil, fmt.Errorf("%w: %d is more than an int64 holds", processor.ErrHeaderType, v)
	}
	return map[string]int64{"int64": int64(v)}, nil
}

func writeList(v []any, depth int) (any, error) {
	list := make([]any, len(v))
	for i, item := range v {
		var err error
		if list[i], err = write(item, depth+1); err != nil {
			return nil, err
		}
	}
	return map[string][]any{"list": list}, nil
}

// writeTable returns pairs, in the order of their names: JSON's objects cannot have every name.
func writeTable(h map[string]any, depth int) (any, error) {
	pairs := make([][2]any, 0, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := h[name]
		if len(name) > processor.MaxName {
			return nil, fmt.Errorf("%w: the name of a header has %d bytes, the limit is %d", processor.ErrTooLarge, len(name), processor.MaxName)
		}
		written, err := write(value, depth+1)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", name, err)
		}
		pairs = append(pairs, [2]any{text(name), written})
	}
	return map[string][][2]any{"table": pairs}, nil
}

// read is the inverse of write. It takes what package json makes of a text, with numbers as they are.
func read(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: it is nested more than %d deep", errForm, maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, string:
		return v, nil
	case map[string]any:
		for name, value := range v {
			return readTyped(name, value, depth)
		}
	}
	return nil, errForm
}

func readTyped(name string, v any, depth int) (any, error) {
	switch name {
	case "text":
		b, err := readBytes(v)
		return string(b), err
	case "bytes":
		return readBytes(v)
	case "float32":
		bits, err := readBits(v, 32)
		return math.Float32frombits(uint32(bits)), err //nolint:gosec // 32 bits were read
	case "float64":
		bits, err := readBits(v, 64)
		return math.Float64frombits(bits), err
	case "time":
		return readTime(v)
	case "decimal":
		return readDecimal(v)
	case "list":
		return readList(v, depth)
	case "table":
		return readTable(v, depth)
	}
	return readInteger(name, v)
}

func readInteger(name string, v any) (any, error) {
	switch name {
	case "int8":
		return signed[int8](v, 8)
	case "int16":
		return signed[int16](v, 16)
	case "int32":
		return signed[int32](v, 32)
	case "int64":
		return signed[int64](v, 64)
	case "uint8":
		return unsigned[uint8](v, 8)
	case "uint16":
		return unsigned[uint16](v, 16)
	case "uint32":
		return unsigned[uint32](v, 32)
	}
	return nil, fmt.Errorf("%w: %q", errForm, name)
}

func signed[T ~int8 | ~int16 | ~int32 | ~int64](v any, bits int) (T, error) {
	text, ok := v.(json.Number)
	if !ok {
		return 0, errForm
	}
	n, err := strconv.ParseInt(string(text), 10, bits)
	return T(n), err
}

func unsigned[T uint8 | uint16 | uint32](v any, bits int) (T, error) {
	text, ok := v.(json.Number)
	if !ok {
		return 0, errForm
	}
	n, err := strconv.ParseUint(string(text), 10, bits)
	return T(n), err
}

func readBool(v any) (bool, error) {
	yes, ok := v.(bool)
	if !ok {
		return false, errForm
	}
	return yes, nil
}

func readTime(v any) (time.Time, error) {
	seconds, err := signed[int64](v, 64)
	return time.Unix(seconds, 0).UTC(), err
}

func readBytes(v any) ([]byte, error) {
	encoded, ok := v.(string)
	if !ok {
		return nil, errForm
	}
	return base64.StdEncoding.DecodeString(encoded)
}

func readBits(v any, size int) (uint64, error) {
	hex, ok := v.(string)
	if !ok {
		return 0, errForm
	}
	return strconv.ParseUint(hex, 16, size)
}

func readDecimal(v any) (any, error) {
	parts, ok := v.([]any)
	if !ok || len(parts) != 2 {
		return nil, errForm
	}
	scale, err := unsigned[uint8](parts[0], 8)
	value, err2 := signed[int32](parts[1], 32)
	return processor.Decimal{Scale: scale, Value: value}, errors.Join(err, err2)
}

func readList(v any, depth int) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, errForm
	}
	list := make([]any, len(items))
	for i, item := range items {
		var err error
		if list[i], err = read(item, depth+1); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func readTable(v any, depth int) (processor.Headers, error) {
	pairs, ok := v.([]any)
	if !ok {
		return nil, errForm
	}
	h := make(processor.Headers, len(pairs))
	for _, p := range pairs {
		pair, ok := p.([]any)
		if !ok || len(pair) != 2 {
			return nil, errForm
		}
		name, err := readText(pair[0])
		if err != nil {
			return nil, err
		}
		if h[name], err = read(pair[1], depth+1); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func readText(v any) (string, error) {
	v, err := read(v, 0)
	s, ok := v.(string)
	if err == nil && !ok {
		err = errForm
	}
	return s, err
}
