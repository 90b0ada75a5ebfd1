package processor_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

var (
	absent = struct{}{} // stands for a header that is not there
	now    = time.Unix(1_700_000_000, 0).UTC()
)

// with returns headers that hold v, or nil headers.
func with(v any) processor.Headers {
	if v == absent {
		return nil
	}
	return processor.Headers{"h": v}
}

func TestHeadersInt64(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  int64
		ok    bool
	}{
		"int":                      {int(-3), -3, true},
		"int8":                     {int8(math.MinInt8), math.MinInt8, true},
		"int16":                    {int16(math.MinInt16), math.MinInt16, true},
		"int32":                    {int32(math.MinInt32), math.MinInt32, true},
		"int64, least":             {int64(math.MinInt64), math.MinInt64, true},
		"int64, most":              {int64(math.MaxInt64), math.MaxInt64, true},
		"uint":                     {uint(3), 3, true},
		"uint, too large":          {uint(math.MaxUint), math.MaxInt64, true},
		"uint8":                    {uint8(math.MaxUint8), math.MaxUint8, true},
		"uint16":                   {uint16(math.MaxUint16), math.MaxUint16, true},
		"uint32":                   {uint32(math.MaxUint32), math.MaxUint32, true},
		"uint64":                   {uint64(math.MaxInt64), math.MaxInt64, true},
		"uint64, one too large":    {uint64(math.MaxInt64) + 1, math.MaxInt64, true},
		"uint64, most":             {uint64(math.MaxUint64), math.MaxInt64, true},
		"string":                   {"3", 3, true},
		"string, negative":         {"-3", -3, true},
		"string, signed":           {"+3", 3, true},
		"string, spaces":           {" \t3\n", 3, true},
		"string, too large":        {"9223372036854775808", math.MaxInt64, true},
		"string, too small":        {"-9223372036854775809", math.MinInt64, true},
		"string, a million digits": {strings.Repeat("9", 1_000_000), math.MaxInt64, true},
		"bytes":                    {[]byte("3"), 3, true},
		"string, empty":            {"", 0, false},
		"string, only spaces":      {"  ", 0, false},
		"string, a space within":   {"1 2", 0, false},
		"string, hexadecimal":      {"0x10", 0, false},
		"string, underscore":       {"1_000", 0, false},
		"string, a float":          {"3.0", 0, false},
		"string, an exponent":      {"1e3", 0, false},
		"string, garbage":          {"three", 0, false},
		"string, garbage after":    {"3x", 0, false},
		"string, not UTF-8":        {"\xff3", 0, false},
		"float":                    {3.0, 0, false},
		"bool":                     {true, 0, false},
		"nil":                      {nil, 0, false},
		"list":                     {[]any{int64(3)}, 0, false},
		"table":                    {processor.Headers{"h": int64(3)}, 0, false},
		"time":                     {now, 0, false},
		"decimal":                  {processor.Decimal{Value: 3}, 0, false},
		"a named integer":          {time.Duration(3), 0, false},
		"json.Number":              {json.Number("3"), 0, false},
		"absent":                   {absent, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := with(test.value).Int64("h")
			require.Equal(t, test.ok, ok)
			require.Equal(t, test.want, got)
		})
	}
}

func TestHeadersString(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  string
		ok    bool
	}{
		"string": {"a", "a", true},
		"empty":  {"", "", true},
		"bytes":  {[]byte("a"), "a", true},
		"number": {int64(3), "", false},
		"nil":    {nil, "", false},
		"list":   {[]any{"a"}, "", false},
		"absent": {absent, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := with(test.value).String("h")
			require.Equal(t, test.ok, ok)
			require.Equal(t, test.want, got)
		})
	}
}

func TestHeadersFloat64(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  float64
		ok    bool
	}{
		"float64":  {1.5, 1.5, true},
		"float32":  {float32(1.5), 1.5, true},
		"infinity": {math.Inf(-1), math.Inf(-1), true},
		"int":      {-3, -3, true},
		"int64":    {int64(math.MinInt64), math.MinInt64, true},
		"uint8":    {uint8(3), 3, true},
		"string":   {"1.5", 0, false},
		"numeral":  {"3", 0, false},
		"bytes":    {[]byte("3"), 0, false},
		"bool":     {true, 0, false},
		"nil":      {nil, 0, false},
		"absent":   {absent, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := with(test.value).Float64("h")
			require.Equal(t, test.ok, ok)
			require.InDelta(t, test.want, got, 0)
		})
	}
}

// Bool, Time, Table and List convert nothing: each accepts its own row of this table only.
func TestHeadersTypedExactly(t *testing.T) {
	t.Parallel()
	table, list := processor.Headers{"a": int64(1)}, []any{"a", nil}
	for name, value := range map[string]any{
		"bool": true, "time": now, "table": table, "map": map[string]any{"a": int64(1)}, "list": list,
		"string": "true", "number": int64(1), "nil": nil, "strings": []string{"a"}, "absent": absent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := with(value)
			gotBool, okBool := h.Bool("h")
			gotTime, okTime := h.Time("h")
			gotTable, okTable := h.Table("h")
			gotList, okList := h.List("h")

			require.Equal(t, []bool{name == "bool", name == "time", name == "table" || name == "map", name == "list"},
				[]bool{okBool, okTime, okTable, okList})
			require.Equal(t, okBool, gotBool)
			require.Equal(t, !okTime, gotTime.IsZero())
			if okTable {
				require.Equal(t, table, gotTable)
			}
			if okList {
				require.Equal(t, list, gotList)
			}
		})
	}
}

func TestHeadersClone(t *testing.T) {
	t.Parallel()

	t.Run("of nil is empty and writable", func(t *testing.T) {
		t.Parallel()
		clone := processor.Headers(nil).Clone()
		require.NotNil(t, clone)
		clone["a"] = 1
		require.Len(t, clone, 1)
	})

	t.Run("is a map of its own", func(t *testing.T) {
		t.Parallel()
		h := processor.Headers{"a": 1, "nested": processor.Headers{"b": 2}}
		clone := h.Clone()
		require.Equal(t, h, clone)
		clone["a"] = 9
		delete(clone, "nested")
		require.Equal(t, processor.Headers{"a": 1, "nested": processor.Headers{"b": 2}}, h)
	})
}

// FuzzHeaders reads whatever a sender wrote with every getter: none may panic, and a
// false comes with a zero value. JSON gives the shapes, and the raw bytes the rest.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		``, `3`, `-1`, ` 99999999999999999999 `, `"3"`, `1e400`, `null`, `true`,
		`{"a":{"b":[1,"2",null]}}`, `[[[[]]]]`, "\xff\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var decoded any
		if err := json.Unmarshal(data, &decoded); err != nil {
			decoded = nil
		}
		for _, v := range []any{decoded, string(data), data, &decoded, [1]any{decoded}, struct{}{}} {
			readAll(t, processor.Headers{string(data): v}, string(data))
		}
		readAll(t, nil, string(data))
	})
}

// readAll calls every getter.
func readAll(t *testing.T, h processor.Headers, name string) {
	t.Helper()
	if v, ok := h.Int64(name); !ok {
		require.Zero(t, v)
	}
	if v, ok := h.String(name); !ok {
		require.Empty(t, v)
	}
	if v, ok := h.Bool(name); !ok {
		require.Zero(t, v)
	}
	if v, ok := h.Float64(name); !ok {
		require.Zero(t, v)
	}
	if v, ok := h.Time(name); !ok {
		require.Zero(t, v)
	}
	if v, ok := h.Table(name); !ok {
		require.Nil(t, v)
	}
	if v, ok := h.List(name); !ok {
		require.Nil(t, v)
	}
	require.NotNil(t, h.Clone())
}
