package broker

import (
	"fmt"
	"strconv"
	"time"

	"github.com/gowarren/warren/processor"
)

// FitsFrame checks that the headers and properties of e fit one frame of that many
// bytes, as the protocol demands. [Prepare] checks the default; a broker may have a smaller
// frame_max. 0 is no limit. e has been through Prepare. The error wraps [processor.ErrTooLarge].
func FitsFrame(e processor.Envelope, frame int) error {
	if n := contentHeader(e); frame > 0 && n > frame {
		return fmt.Errorf("broker: %w: headers and properties take %d bytes, the limit is %d", processor.ErrTooLarge, n, frame)
	}
	return nil
}

// contentHeader is how many bytes the headers and properties of a message take on the wire.
// Absent ones take none.
func contentHeader(e processor.Envelope) int {
	const (
		frameEnds = 7 + 1         // type, channel, size; end
		fixed     = 2 + 2 + 8 + 2 // class, weight, size of the body, flags
		mode      = 1             // always sent
	)
	n := frameEnds + fixed + mode
	if len(e.Headers) > 0 {
		n += tableSize(e.Headers)
	}
	if e.Priority > 0 || e.PriorityZero {
		n++
	}
	if e.Expiration > 0 {
		milliseconds := (e.Expiration + time.Millisecond - 1) / time.Millisecond
		n += 1 + len(strconv.FormatInt(int64(milliseconds), 10))
	}
	if !e.Timestamp.IsZero() {
		n += 8
	}
	for _, s := range [...]string{
		e.ID, e.CorrelationID, e.ReplyTo, e.Type, e.AppID, e.UserID, e.ContentType, e.ContentEncoding,
	} {
		if s != "" {
			n += 1 + len(s)
		}
	}
	return n
}

func tableSize(h processor.Headers) int {
	n := 4
	for name, value := range h {
		n += 1 + len(name) + 1 + size(value)
	}
	return n
}

// size is how many bytes a plain value takes on the wire, without its type.
func size(v any) int {
	switch v := v.(type) {
	case bool, int8, uint8:
		return 1
	case int16, uint16:
		return 2
	case int32, uint32, float32:
		return 4
	case processor.Decimal:
		return 5
	case int64, float64, time.Time:
		return 8
	case string:
		return 4 + len(v)
	case []byte:
		return 4 + len(v)
	case processor.Headers:
		return tableSize(v)
	case []any:
		n := 4
		for _, item := range v {
			n += 1 + size(item)
		}
		return n
	}
	return 0
}
