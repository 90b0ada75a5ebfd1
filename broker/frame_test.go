package broker_test

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// A message that came in with the largest frame can be sent again as it came: absent properties
// are not counted, and the others as they are on the wire.
func TestFitsFrameCountsWhatIsSent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		e, err := broker.Prepare(processor.Destination{}, randomEnvelope(random))
		require.NoError(t, err)
		n := len(contentHeaderFrame(e))
		require.NoError(t, broker.FitsFrame(e, n), "%+v", e)
		require.ErrorIs(t, broker.FitsFrame(e, n-1), processor.ErrTooLarge, "%+v", e)
	}
}

func randomEnvelope(r *rand.Rand) processor.Envelope {
	text := func() string { return strings.Repeat("x", max(0, r.IntN(60)-30)) }
	e := processor.Envelope{Properties: processor.Properties{
		ID: text(), CorrelationID: text(), ReplyTo: text(), Type: text(), AppID: text(), UserID: text(),
		ContentType: text(), ContentEncoding: text(), Priority: uint8(r.IntN(3)), PriorityZero: r.IntN(2) == 0, Transient: r.IntN(2) == 0,
	}}
	if r.IntN(2) == 0 {
		e.Timestamp = time.Unix(r.Int64N(1<<40), 0)
	}
	if r.IntN(2) == 0 {
		e.Expiration = time.Duration(r.Int64N(1 << (1 + r.IntN(50))))
	}
	switch r.IntN(4) {
	case 0:
	case 1:
		e.Headers = processor.Headers{}
	default:
		e.Headers = randomTable(r, 3)
	}
	return e
}

func randomTable(r *rand.Rand, levels int) processor.Headers {
	h := processor.Headers{}
	for range r.IntN(6) {
		h[strings.Repeat("n", r.IntN(256))] = randomValue(r, levels)
	}
	return h
}

func randomValue(r *rand.Rand, levels int) any {
	n := r.IntN(15)
	if levels == 0 {
		n = r.IntN(13)
	}
	switch n {
	case 13:
		return randomTable(r, levels-1)
	case 14:
		list := make([]any, r.IntN(5))
		for i := range list {
			list[i] = randomValue(r, levels-1)
		}
		return list
	}
	return [...]any{
		nil, true, int8(1), uint8(1), int16(1), int32(1), float32(1), int64(1), 1.5, processor.Decimal{}, time.Unix(1, 0),
		strings.Repeat("s", r.IntN(300)), make([]byte, r.IntN(300)),
	}[n]
}

// contentHeaderFrame is section 4.2.6 of the protocol, with the property flags in its order.
func contentHeaderFrame(e processor.Envelope) []byte {
	b := append(make([]byte, 7), make([]byte, 2+2+8+2)...)
	short := func(s string) {
		if s != "" {
			b = append(append(b, byte(len(s))), s...)
		}
	}
	short(e.ContentType)
	short(e.ContentEncoding)
	if len(e.Headers) > 0 {
		b = append(b, tableOnWire(e.Headers)...)
	}
	b = append(b, 2) // delivery mode
	if e.Priority > 0 || e.PriorityZero {
		b = append(b, e.Priority)
	}
	short(e.CorrelationID)
	short(e.ReplyTo)
	if e.Expiration > 0 {
		whole := e.Expiration.Milliseconds()
		if e.Expiration%time.Millisecond > 0 {
			whole++
		}
		short(strconv.FormatInt(whole, 10))
	}
	short(e.ID)
	if !e.Timestamp.IsZero() {
		b = binary.BigEndian.AppendUint64(b, 0)
	}
	short(e.Type)
	short(e.UserID)
	short(e.AppID)
	return append(b, 0xce)
}

func tableOnWire(h processor.Headers) []byte {
	var b []byte
	for name, value := range h {
		b = append(append(b, byte(len(name))), name...)
		b = append(b, valueOnWire(value)...)
	}
	return longOnWire(b)
}

func longOnWire(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// valueOnWire is a value behind its type; the value of a number does not matter.
func valueOnWire(v any) []byte {
	numbers := func(n int) []byte { return make([]byte, 1+n) }
	switch v := v.(type) {
	case bool, int8, uint8:
		return numbers(1)
	case int16:
		return numbers(2)
	case int32, float32:
		return numbers(4)
	case processor.Decimal:
		return numbers(1 + 4)
	case int64, float64, time.Time:
		return numbers(8)
	case string:
		return append([]byte{'S'}, longOnWire([]byte(v))...)
	case []byte:
		return append([]byte{'x'}, longOnWire(v)...)
	case processor.Headers:
		return append([]byte{'F'}, tableOnWire(v)...)
	case []any:
		var b []byte
		for _, item := range v {
			b = append(b, valueOnWire(item)...)
		}
		return append([]byte{'A'}, longOnWire(b)...)
	}
	return []byte{'V'}
}
