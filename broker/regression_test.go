package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Each of these closed a channel or a connection of RabbitMQ 3.10, or crashed a queue.
func TestWhatWouldHarmTheBrokerIsRefused(t *testing.T) {
	t.Parallel()
	death := func(entry processor.Headers) processor.Envelope {
		return processor.Envelope{Headers: processor.Headers{"x-death": []any{entry}}}
	}
	for name, tc := range map[string]struct {
		e    processor.Envelope
		want error
	}{
		"a count that is text":      {death(processor.Headers{"queue": "q", "reason": "rejected", "count": "x"}), processor.ErrHeaderType},
		"CC that is text":           {processor.Envelope{Headers: processor.Headers{"CC": "k"}}, processor.ErrHeaderType},
		"CC that is nil":            {processor.Envelope{Headers: processor.Headers{"CC": nil}}, processor.ErrHeaderType},
		"BCC of numbers":            {processor.Envelope{Headers: processor.Headers{"BCC": []any{int64(1)}}}, processor.ErrHeaderType},
		"an expiration in 11 years": {processor.Envelope{Properties: processor.Properties{Expiration: 11 * 365 * 24 * time.Hour}}, processor.ErrTooLarge},
		"a negative expiration":     {processor.Envelope{Properties: processor.Properties{Expiration: -1}}, processor.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := broker.Prepare(processor.Destination{}, tc.e)
			require.ErrorIs(t, err, tc.want)
		})
	}
	_, err := broker.Prepare(processor.Destination{}, death(processor.Headers{"count": int64(1), "queue": "q"}))
	require.NoError(t, err)
	_, err = broker.Prepare(processor.Destination{}, processor.Envelope{Headers: processor.Headers{"CC": []any{"k"}}})
	require.NoError(t, err)
}

func TestTopologiesThatTheBrokerWouldChokeOn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 256)
	exchange := broker.Exchange{Name: "x", Kind: broker.Direct}
	for name, topology := range map[string]broker.Topology{
		"a long dead-letter key":      {Queues: []broker.Queue{{Name: "q", DeadLetter: &broker.DeadLetter{RoutingKey: long}}}},
		"a long dead-letter exchange": {Queues: []broker.Queue{{Name: "q", DeadLetter: &broker.DeadLetter{Exchange: long}}}},
		"a key twice":                 {Queues: []broker.Queue{{Name: "q", DeadLetter: &broker.DeadLetter{}, Arguments: processor.Headers{"x-dead-letter-routing-key": "k"}}}},
		"an unknown type":             {Queues: []broker.Queue{{Name: "q", Type: "quorate"}}},
		"a type twice":                {Queues: []broker.Queue{{Name: "q", Type: broker.Classic, Arguments: processor.Headers{"x-queue-type": "quorum"}}}},
		"an unknown overflow":         {Queues: []broker.Queue{{Name: "q", Overflow: "drop"}}},
		"a reserved queue":            {Queues: []broker.Queue{{Name: "amq.q"}}},
		"a reserved exchange":         {Exchanges: []broker.Exchange{{Name: "amq.x", Kind: broker.Direct}}},
		"a TTL of eleven years":       {Queues: []broker.Queue{{Name: "q", MessageTTL: 11 * 365 * 24 * time.Hour}}},
		"a long alternate":            {Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Direct, Alternate: long}}},
		"a binding to a long name":    {Exchanges: []broker.Exchange{exchange}, Bindings: []broker.Binding{{Exchange: long, Queue: "q"}}},
		"an argument of a wrong type": {Queues: []broker.Queue{{Name: "q", Arguments: processor.Headers{"a": struct{}{}}}}},
		"a binding argument likewise": {Bindings: []broker.Binding{{Exchange: "x", Queue: "q", Arguments: processor.Headers{"a": []string{"b"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, topology.Validate(), broker.ErrTopology)
		})
	}
}

func TestArgumentsAreComparedAsTheWireHasThem(t *testing.T) {
	t.Parallel()
	a := broker.Topology{Queues: []broker.Queue{{Name: "q", Arguments: processor.Headers{"x-priority": 5}}}}
	b := broker.Topology{Queues: []broker.Queue{{Name: "q", Arguments: processor.Headers{"x-priority": int64(5)}}}}
	require.Len(t, a.Merge(b).Queues, 1)
	require.NoError(t, a.Merge(b).Validate())
}

func TestHeadersThatAreTooManyAreNotCopiedFirst(t *testing.T) {
	t.Parallel()
	var list any = int64(0)
	for range 12 {
		list = []any{list, list, list, list, list, list, list, list, list, list, list, list, list, list, list, list}
	}
	_, err := broker.Prepare(processor.Destination{}, processor.Envelope{Headers: processor.Headers{"bomb": list}})
	require.ErrorIs(t, err, processor.ErrTooLarge)
}
