package brokertest

import (
	"bytes"
	"reflect"
	"time"

	"github.com/gowarren/warren/processor"
)

// same compares header values of the same type. An empty value may be nil, and a time
// may have any zone: on the wire there is no difference.
func same(a, b any) bool {
	switch a := a.(type) {
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && sameList(a, b)
	case processor.Headers:
		b, ok := b.(processor.Headers)
		return ok && sameTable(a, b)
	}
	return reflect.DeepEqual(a, b)
}

func sameList(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}

func sameTable(a, b processor.Headers) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		value, ok := b[name]
		if !ok || !same(a[name], value) {
			return false
		}
	}
	return true
}
