package broker

import (
	"fmt"
	"math"
	"time"

	"github.com/gowarren/warren/processor"
)

// Limits of the protocol and of RabbitMQ's defaults. Going over one of them closes
// the whole connection (501) or channel (406), with everybody's messages on it.
const (
	maxShortString = 255       // bytes of a key, a property or a header's name
	maxHeaderBytes = 120_000   // of all properties and headers; they must fit a frame of 131,072
	maxDepth       = 16        // nested tables and arrays
	maxBody        = 128 << 20 // RabbitMQ 3.x; 4.x has 16 MiB by default
)

// Prepare checks what is to be published, and returns it with headers of the types
// that every broker carries (see [processor.Headers]), in a map of its own. The error
// wraps [processor.ErrTooLarge] or [processor.ErrHeaderType] and says what to change.
//
// Brokers call it before anything is sent.
func Prepare(to processor.Destination, e processor.Envelope) (processor.Envelope, error) {
	if err := checkShortStrings(to, e.Properties); err != nil {
		return e, err
	}
	if len(e.Body) > maxBody {
		return e, fmt.Errorf("broker: %w: the body has %d bytes, the limit is %d", processor.ErrTooLarge, len(e.Body), maxBody)
	}
	headers, size, err := prepareTable(e.Headers, 0)
	if err != nil {
		return e, err
	}
	if size > maxHeaderBytes {
		return e, fmt.Errorf("broker: %w: the headers take %d bytes, the limit is %d", processor.ErrTooLarge, size, maxHeaderBytes)
	}
	if err := checkDeath(headers); err != nil {
		return e, err
	}
	e.Headers = headers
	return e, nil
}

func checkShortStrings(to processor.Destination, p processor.Properties) error {
	for _, s := range [...]struct{ name, value string }{
		{"exchange", to.Exchange},
		{"routing key", to.RoutingKey},
		{"message id", p.ID},
		{"correlation id", p.CorrelationID},
		{"reply-to", p.ReplyTo},
		{"type", p.Type},
		{"app id", p.AppID},
		{"user id", p.UserID},
		{"content type", p.ContentType},
		{"content encoding", p.ContentEncoding},
	} {
		if len(s.value) > maxShortString {
			return fmt.Errorf("broker: %w: the %s has %d bytes, the limit is %d", processor.ErrTooLarge, s.name, len(s.value), maxShortString)
		}
	}
	if p.Expiration < 0 {
		return fmt.Errorf("broker: expiration %v is negative; 0 is none", p.Expiration)
	}
	return nil
}

// checkDeath refuses an x-death that no broker wrote: RabbitMQ's queue processes crash
// on one.
func checkDeath(h processor.Headers) error {
	death, ok := h["x-death"]
	if !ok {
		return nil
	}
	entries, ok := death.([]any)
	for _, entry := range entries {
		if _, table := entry.(processor.Headers); !table {
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("broker: %w: x-death belongs to the broker and must be an array of tables; delete it", processor.ErrHeaderType)
	}
	return nil
}

// prepareTable returns a copy of h with types as the wire has them, and its size there.
func prepareTable(h processor.Headers, depth int) (processor.Headers, int, error) {
	if h == nil {
		return nil, 0, nil
	}
	if depth > maxDepth {
		return nil, 0, fmt.Errorf("broker: %w: headers are nested over %d levels deep", processor.ErrTooLarge, maxDepth)
	}
	table, total := make(processor.Headers, len(h)), 4
	for name, value := range h {
		if len(name) > maxShortString {
			return nil, 0, fmt.Errorf("broker: %w: a header's name has %d bytes, the limit is %d", processor.ErrTooLarge, len(name), maxShortString)
		}
		v, size, err := prepareValue(value, depth)
		if err != nil {
			return nil, 0, fmt.Errorf("header %q: %w", name, err)
		}
		table[name] = v
		total += 1 + len(name) + size
	}
	return table, total, nil
}

func prepareList(list []any, depth int) (any, int, error) {
	if depth > maxDepth {
		return nil, 0, fmt.Errorf("broker: %w: headers are nested over %d levels deep", processor.ErrTooLarge, maxDepth)
	}
	items, total := make([]any, len(list)), 5
	for i, value := range list {
		v, size, err := prepareValue(value, depth)
		if err != nil {
			return nil, 0, fmt.Errorf("item %d: %w", i, err)
		}
		items[i] = v
		total += size
	}
	return items, total, nil
}

// prepareValue returns v as the wire has it, and its size with the byte of its type.
func prepareValue(v any, depth int) (any, int, error) {
	switch v := v.(type) {
	case nil:
		return nil, 1, nil
	case bool, int8, uint8:
		return v, 2, nil
	case int16:
		return v, 3, nil
	case int32, float32:
		return v, 5, nil
	case int64, float64:
		return v, 9, nil
	case processor.Decimal:
		return v, 6, nil
	case time.Time:
		return v.UTC().Truncate(time.Second), 9, nil
	case string:
		return v, 5 + len(v), nil
	case []byte:
		return append([]byte{}, v...), 5 + len(v), nil
	case int:
		return int64(v), 9, nil
	case uint16:
		return int32(v), 5, nil
	case uint32:
		return int64(v), 9, nil
	case uint:
		return prepareUint(uint64(v))
	case uint64:
		return prepareUint(v)
	case []any:
		return prepareList(v, depth+1)
	case processor.Headers:
		return prepareNested(v, depth)
	case map[string]any:
		return prepareNested(v, depth)
	}
	return nil, 0, fmt.Errorf("broker: %w: %T; see processor.Headers for those that can", processor.ErrHeaderType, v)
}

func prepareNested(h processor.Headers, depth int) (any, int, error) {
	if h == nil {
		h = processor.Headers{}
	}
	table, size, err := prepareTable(h, depth+1)
	return table, size + 1, err
}

func prepareUint(v uint64) (any, int, error) {
	if v > math.MaxInt64 {
		return nil, 0, fmt.Errorf("broker: %w: %d is beyond a signed 64-bit integer", processor.ErrHeaderType, v)
	}
	return int64(v), 9, nil
}
