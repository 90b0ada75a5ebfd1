package broker

import (
	"fmt"
	"math"
	"time"

	"github.com/gowarren/warren/processor"
)

// plain turns v into a type that every broker carries.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int8, uint8, int16, int32, int64, processor.Decimal, string, []any, processor.Headers:
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

// finite refuses the numbers for which RabbitMQ closes the connection (541).
func finite(v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%w: %v is no finite number; send it as text", processor.ErrHeaderType, v)
	}
	return nil
}
