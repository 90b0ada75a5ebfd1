package broker

import (
	"fmt"
	"math"
	"time"

	"github.com/gowarren/warren/processor"
)

// plain turns v, a header's value, into a type that every broker carries.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int8, uint8, int16, uint16, int32, uint32, int64, processor.Decimal, string, []any, processor.Headers:
		return v, nil
	case float32:
		return v, finite(float64(v))
	case float64:
		return v, finite(v)
	case []byte:
		return append([]byte{}, v...), nil
	case time.Time:
		return v.UTC().Truncate(time.Second), nil
	case map[string]any:
		return processor.Headers(v), nil
	case int:
		if int(int32(v)) == v { //nolint:gosec // asks whether it fits
			return int32(v), nil //nolint:gosec // it fits; py-amqp reads an int64 of -1 as 2^64 - 1
		}
		return int64(v), nil
	case uint:
		if v <= math.MaxInt32 {
			return int32(v), nil
		}
		return signed(uint64(v))
	case uint64:
		return signed(v)
	}
	return nil, fmt.Errorf("%w: %T; see processor.Headers for those that can", processor.ErrHeaderType, v)
}

// signedArgument turns v, the value of an argument, into one of the integers that definitions have:
// RabbitMQ tells an int32 from the int64 that it makes of a number in JSON, and takes two bindings
// for different that differ in nothing else.
func signedArgument(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case uint16:
		return int32(v)
	case uint32:
		return int64(v)
	case uint:
		return uint64(v)
	}
	return v
}

func signed(v uint64) (any, error) {
	if v > math.MaxInt64 {
		return nil, fmt.Errorf("%w: %d is beyond a signed 64-bit integer", processor.ErrHeaderType, v)
	}
	return int64(v), nil
}

// finite refuses the numbers for which RabbitMQ closes the connection (541).
func finite(v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%w: %v is no finite number; send it as text", processor.ErrHeaderType, v)
	}
	return nil
}
