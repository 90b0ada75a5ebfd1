package watermill

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gowarren/warren/processor"
)

// A kind is the type of a header, as the reserved entry names it. Text has none.
const (
	kindNil     = "nil"
	kindBool    = "bool"
	kindInt8    = "int8"
	kindInt16   = "int16"
	kindInt32   = "int32"
	kindInt64   = "int64"
	kindUint8   = "uint8"
	kindUint16  = "uint16"
	kindUint32  = "uint32"
	kindFloat32 = "float32"
	kindFloat64 = "float64"
	kindString  = "string" // nested, where each value has a kind
	kindRaw     = "raw"    // a string that is not UTF-8, which JSON would change
	kindBytes   = "bytes"
	kindDecimal = "decimal"
	kindTime    = "time"
	kindUnix    = "unix" // a time in a year that RFC 3339 has no digits for
	kindList    = "list"
	kindTable   = "table"
)

// encode returns the kind of a header's value, "" for text, and the value as text. It returns false
// for a type that no broker carries.
func encode(value any) (kind, text string, ok bool) {
	switch v := carried(value).(type) {
	case string:
		if utf8.ValidString(v) {
			return "", v, true
		}
		return kindRaw, base64.StdEncoding.EncodeToString([]byte(v)), true
	case []any, processor.Headers:
		tree, known := tag(v)
		if !known {
			return "", "", false
		}
		b, err := json.Marshal(tree[1])
		kind, _ = tree[0].(string)
		return kind, string(b), err == nil
	default:
		return encodeScalar(v)
	}
}

// carried returns a value as the type that represents it; see [processor.Headers].
func carried(value any) any {
	switch v := value.(type) {
	case int:
		if int(int32(v)) == v { //nolint:gosec // asks whether it fits
			return int32(v) //nolint:gosec // it fits
		}
		return int64(v)
	case uint:
		if v <= math.MaxInt32 {
			return int32(v)
		}
		return carried(uint64(v))
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case map[string]any:
		return processor.Headers(v)
	}
	return value
}

func encodeScalar(value any) (kind, text string, ok bool) {
	switch v := value.(type) {
	case nil:
		return kindNil, "", true
	case bool:
		return kindBool, strconv.FormatBool(v), true
	case int8:
		return kindInt8, strconv.FormatInt(int64(v), 10), true
	case int16:
		return kindInt16, strconv.FormatInt(int64(v), 10), true
	case int32:
		return kindInt32, strconv.FormatInt(int64(v), 10), true
	case int64:
		return kindInt64, strconv.FormatInt(v, 10), true
	case uint8:
		return kindUint8, strconv.FormatInt(int64(v), 10), true
	case uint16:
		return kindUint16, strconv.FormatInt(int64(v), 10), true
	case uint32:
		return kindUint32, strconv.FormatInt(int64(v), 10), true
	case float32:
		return kindFloat32, strconv.FormatFloat(float64(v), 'g', -1, 32), true
	case float64:
		return kindFloat64, strconv.FormatFloat(v, 'g', -1, 64), true
	case []byte:
		return kindBytes, base64.StdEncoding.EncodeToString(v), true
	case processor.Decimal:
		return kindDecimal, strconv.Itoa(int(v.Value)) + "e-" + strconv.Itoa(int(v.Scale)), true
	case time.Time:
		if y := v.UTC().Year(); y < 0 || y > 9999 {
			return kindUnix, strconv.FormatInt(v.Unix(), 10), true
		}
		return kindTime, v.UTC().Format(time.RFC3339), true
	}
	return "", "", false
}

// decode is the inverse of encode. Kind and text may be a sender's: it returns false if they do not
// match.
func decode(kind, text string) (value any, ok bool) {
	switch kind {
	case kindNil:
		return nil, text == ""
	case kindBool:
		return parsed(strconv.ParseBool(text))
	case kindString:
		return text, true
	case kindRaw:
		b, err := base64.StdEncoding.DecodeString(text)
		return string(b), err == nil
	case kindBytes:
		return parsed(base64.StdEncoding.DecodeString(text))
	case kindDecimal:
		return decodeDecimal(text)
	case kindTime:
		return parsed(time.Parse(time.RFC3339, text))
	case kindUnix:
		seconds, err := strconv.ParseInt(text, 10, 64)
		return time.Unix(seconds, 0).UTC(), err == nil
	case kindList, kindTable:
		var tree any
		if json.Unmarshal([]byte(text), &tree) != nil {
			return nil, false
		}
		return untag([]any{kind, tree})
	}
	return decodeNumber(kind, text)
}

func decodeNumber(kind, text string) (value any, ok bool) {
	switch kind {
	case kindInt8:
		n, err := strconv.ParseInt(text, 10, 8)
		return int8(n), err == nil
	case kindInt16:
		n, err := strconv.ParseInt(text, 10, 16)
		return int16(n), err == nil
	case kindInt32:
		n, err := strconv.ParseInt(text, 10, 32)
		return int32(n), err == nil
	case kindInt64:
		return parsed(strconv.ParseInt(text, 10, 64))
	case kindUint8:
		n, err := strconv.ParseUint(text, 10, 8)
		return uint8(n), err == nil
	case kindUint16:
		n, err := strconv.ParseUint(text, 10, 16)
		return uint16(n), err == nil
	case kindUint32:
		n, err := strconv.ParseUint(text, 10, 32)
		return uint32(n), err == nil
	case kindFloat32:
		f, err := strconv.ParseFloat(text, 32)
		return float32(f), err == nil
	case kindFloat64:
		return parsed(strconv.ParseFloat(text, 64))
	}
	return nil, false
}

func parsed[T any](value T, err error) (v any, ok bool) { return value, err == nil }

func decodeDecimal(text string) (value any, ok bool) {
	number, scale, found := strings.Cut(text, "e-")
	n, err := strconv.ParseInt(number, 10, 32)
	s, err2 := strconv.ParseUint(scale, 10, 8)
	return processor.Decimal{Scale: uint8(s), Value: int32(n)}, found && err == nil && err2 == nil
}

// tag returns a value for JSON, preceded by its kind: for nested values, whose text only Warren
// reads.
func tag(value any) (tagged []any, ok bool) {
	switch v := carried(value).(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			if list[i], ok = tag(v[i]); !ok {
				return nil, false
			}
		}
		return []any{kindList, list}, true
	case processor.Headers:
		table := make(map[string]any, len(v))
		for name := range v {
			if table[name], ok = tag(v[name]); !ok {
				return nil, false
			}
		}
		return []any{kindTable, table}, true
	}
	kind, text, ok := encode(value)
	if kind == "" {
		kind = kindString
	}
	return []any{kind, text}, ok
}

// untag is the inverse of tag, for a value that JSON has decoded.
func untag(tagged any) (value any, ok bool) {
	pair, _ := tagged.([]any)
	if len(pair) != 2 {
		return nil, false
	}
	kind, _ := pair[0].(string)
	switch v := pair[1].(type) {
	case string:
		if kind == kindList || kind == kindTable {
			return nil, false
		}
		return decode(kind, v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			if list[i], ok = untag(v[i]); !ok {
				return nil, false
			}
		}
		return list, kind == kindList
	case map[string]any:
		table := make(processor.Headers, len(v))
		for name := range v {
			if table[name], ok = untag(v[name]); !ok {
				return nil, false
			}
		}
		return table, kind == kindTable
	}
	return nil, false
}
