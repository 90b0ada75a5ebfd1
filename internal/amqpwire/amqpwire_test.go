package amqpwire_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// A handler saw 1970, and a copy said so.
func TestATimestampOfZeroIsNone(t *testing.T) {
	t.Parallel()
	e := amqpwire.Envelope(&amqp.Delivery{Timestamp: time.Unix(0, 0)})
	require.Zero(t, e.Timestamp)
	require.Zero(t, amqpwire.Publishing(e).Timestamp)
	require.Zero(t, amqpwire.Envelope(&amqp.Delivery{}).Timestamp)
	second := time.Unix(1, 0)
	require.Equal(t, second.UTC(), amqpwire.Envelope(&amqp.Delivery{Timestamp: second}).Timestamp)
}

func TestHeadersOfADeliveryAreTakenOver(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.FixedZone("", 3600))
	headers := amqp.Table{
		amqpwire.HeaderTag: "1", amqpwire.HeaderPriority0: nil,
		"text": "t", "number": int32(7), "void": nil, "time": noon, "decimal": amqp.Decimal{Scale: 2, Value: 314},
		"table": amqp.Table{"decimal": amqp.Decimal{Scale: 1, Value: 5}}, "list": []any{amqp.Table{"a": noon}},
	}
	e := amqpwire.Envelope(&amqp.Delivery{Headers: headers})
	require.Equal(t, processor.Headers{
		"text": "t", "number": int32(7), "void": nil, "time": noon.UTC(), "decimal": processor.Decimal{Scale: 2, Value: 314},
		"table": processor.Headers{"decimal": processor.Decimal{Scale: 1, Value: 5}}, "list": []any{processor.Headers{"a": noon.UTC()}},
	}, e.Headers)
	require.True(t, e.PriorityZero)

	for _, headers := range []amqp.Table{nil, {amqpwire.HeaderTag: "1"}, {amqpwire.HeaderTag: "1", amqpwire.HeaderPriority0: nil}} {
		require.Nil(t, amqpwire.Envelope(&amqp.Delivery{Headers: headers}).Headers)
	}
	require.NotNil(t, amqpwire.Envelope(&amqp.Delivery{Headers: amqp.Table{}}).Headers)
}

func TestASmallDeliveryBecomesAnEnvelopeWithoutAllocations(t *testing.T) {
	d := &amqp.Delivery{Body: []byte("b"), Headers: amqp.Table{"tenant": "acme"}, MessageId: "4711"}
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = amqpwire.Envelope(d) }))
}
