package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// long is one byte over the protocol's limit, fits is the limit.
var (
	fits = strings.Repeat("k", 255)
	long = fits + "k"
)

func exchanges(list ...broker.Exchange) broker.Topology { return broker.Topology{Exchanges: list} }
func queues(list ...broker.Queue) broker.Topology       { return broker.Topology{Queues: list} }
func bindings(list ...broker.Binding) broker.Topology   { return broker.Topology{Bindings: list} }

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	for name, topology := range map[string]broker.Topology{
		"nothing": {},
		"every kind": exchanges(
			broker.Exchange{Name: "a", Kind: broker.Direct}, broker.Exchange{Name: "b", Kind: broker.Topic},
			broker.Exchange{Name: "c", Kind: broker.Fanout}, broker.Exchange{Name: "d", Kind: broker.HeadersKind},
		),
		"a plugin's kind":           exchanges(broker.Exchange{Name: "x", Kind: "x-delayed-message"}),
		"names that just fit":       exchanges(broker.Exchange{Name: fits, Kind: broker.Direct}).Merge(queues(broker.Queue{Name: fits})),
		"a key that just fits":      bindings(broker.Binding{Exchange: "x", Queue: "q", RoutingKey: fits}),
		"a queue and its name only": queues(broker.Queue{Name: "q"}),
		"every field of a queue": queues(broker.Queue{
			Name: "q", Type: broker.Classic, MessageTTL: time.Millisecond, Expires: time.Hour, MaxLength: 1,
			Overflow: broker.RejectPublish, DeadLetter: &broker.DeadLetter{Exchange: "x", RoutingKey: "k"},
			Transient: true, Exclusive: true, AutoDelete: true, Arguments: processor.Headers{"x-max-priority": int64(9)},
		}),
		"a quorum queue":                queues(broker.Queue{Name: "q", Type: broker.Quorum, MessageTTL: time.Second}),
		"an argument instead of fields": queues(broker.Queue{Name: "q", Arguments: processor.Headers{"x-message-ttl": int64(5)}}),
		"a queue listed twice, alike":   queues(broker.Queue{Name: "q"}, broker.Queue{Name: "q"}),
		"an exchange twice, alike":      exchanges(broker.Exchange{Name: "x", Kind: broker.Topic}, broker.Exchange{Name: "x", Kind: broker.Topic}),
		"two bindings of one queue":     bindings(broker.Binding{Exchange: "x", Queue: "q"}, broker.Binding{Exchange: "x", Queue: "q", RoutingKey: "k"}),
		"an exchange and a queue of one name": {
			Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}}, Queues: []broker.Queue{{Name: "mail"}},
		},
		"a binding to what others declared": bindings(broker.Binding{Exchange: "amq.topic", Queue: "q", RoutingKey: "#"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, topology.Validate())
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		topology broker.Topology
		says     string
	}{
		"an exchange without a name":   {exchanges(broker.Exchange{Kind: broker.Topic}), `exchange "": it needs a name`},
		"an exchange's long name":      {exchanges(broker.Exchange{Name: long, Kind: broker.Topic}), "the limit is 255"},
		"an exchange without a kind":   {exchanges(broker.Exchange{Name: "x"}), `exchange "x": kind ""`},
		"an unknown kind":              {exchanges(broker.Exchange{Name: "x", Kind: "topics"}), `kind "topics"`},
		"a kind in capitals":           {exchanges(broker.Exchange{Name: "x", Kind: "Topic"}), `kind "Topic"`},
		"a plugin's kind, cut off":     {exchanges(broker.Exchange{Name: "x", Kind: "x-"}), `kind "x-"`},
		"an exchange's argument twice": {exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "a", Arguments: processor.Headers{"alternate-exchange": "a"}}), `argument "alternate-exchange" repeats a field`},
		"an exchange of two kinds":     {exchanges(broker.Exchange{Name: "x", Kind: broker.Topic}, broker.Exchange{Name: "x", Kind: broker.Direct}), `exchange "x" is listed twice`},
		"an exchange, once transient":  {exchanges(broker.Exchange{Name: "x", Kind: broker.Topic}, broker.Exchange{Name: "x", Kind: broker.Topic, Transient: true}), `exchange "x" is listed twice`},

		"a queue without a name":      {queues(broker.Queue{}), `queue "": it needs a name`},
		"a queue's long name":         {queues(broker.Queue{Name: long}), "the limit is 255"},
		"a transient quorum queue":    {queues(broker.Queue{Name: "q", Type: broker.Quorum, Transient: true}), "quorum"},
		"an exclusive quorum queue":   {queues(broker.Queue{Name: "q", Type: broker.Quorum, Exclusive: true}), "quorum"},
		"an auto-delete quorum queue": {queues(broker.Queue{Name: "q", Type: broker.Quorum, AutoDelete: true}), "quorum"},
		"a negative TTL":              {queues(broker.Queue{Name: "q", MessageTTL: -time.Second}), "negative"},
		"a negative expiry":           {queues(broker.Queue{Name: "q", Expires: -time.Second}), "negative"},
		"a negative length":           {queues(broker.Queue{Name: "q", MaxLength: -1}), "negative"},
		"a TTL of microseconds":       {queues(broker.Queue{Name: "q", MessageTTL: time.Microsecond}), "whole number of milliseconds"},
		"an expiry of 1.5 ms":         {queues(broker.Queue{Name: "q", Expires: 1500 * time.Microsecond}), "whole number of milliseconds"},
		"a queue's argument twice":    {queues(broker.Queue{Name: "q", MessageTTL: time.Second, Arguments: processor.Headers{"x-message-ttl": int64(5)}}), `argument "x-message-ttl" repeats a field`},
		"a negative limit":            {queues(broker.Queue{Name: "q", Type: broker.Quorum, DeliveryLimit: -1}), "use broker.HighDeliveryLimit"},
		"a classic queue's limit":     {queues(broker.Queue{Name: "q", Type: broker.Classic, DeliveryLimit: 1}), "set Type to Quorum"},
		"a limit, and no type":        {queues(broker.Queue{Name: "q", DeliveryLimit: 1}), "set Type to Quorum"},
		"a limit twice":               {queues(broker.Queue{Name: "q", Type: broker.Quorum, DeliveryLimit: 1, Arguments: processor.Headers{"x-delivery-limit": 1}}), "repeats a field"},
		"a classic queue's retries":   {queues(broker.Queue{Name: "q", DelayedRetry: &broker.DelayedRetry{Min: time.Second, Max: time.Second}}), "set Type to Quorum"},
		"retries without a wait":      {queues(delayed(0, time.Second)), "below a millisecond"},
		"retries, longest first":      {queues(delayed(time.Minute, time.Second)), "below the shortest"},
		"retries after centuries":     {queues(delayed(time.Second, 11*365*24*time.Hour)), "over ten years"},
		"retries after 1.5 ms":        {queues(delayed(1500*time.Microsecond, time.Second)), "whole number of milliseconds"},
		"retries twice": {queues(broker.Queue{
			Name: "q", Type: broker.Quorum, DelayedRetry: &broker.DelayedRetry{Min: time.Second, Max: time.Second},
			Arguments: processor.Headers{"x-delayed-retry-max": 5},
		}), `argument "x-delayed-retry-max" repeats a field`},
		"an owned name of nothing": {broker.Topology{Owned: []string{"mail.", ""}}, "an owned name is empty"},
		"a queue of two TTLs":      {queues(broker.Queue{Name: "q", MessageTTL: time.Second}, broker.Queue{Name: "q"}), `queue "q" is listed twice`},
		"a queue of two targets": {queues(
			broker.Queue{Name: "q", DeadLetter: &broker.DeadLetter{Exchange: "a"}},
			broker.Queue{Name: "q", DeadLetter: &broker.DeadLetter{Exchange: "b"}},
		), `queue "q" is listed twice`},

		"a name that is not UTF-8":               {queues(broker.Queue{Name: "\xff"}), "its name is not UTF-8"},
		"an exchange's name that is not UTF-8":   {exchanges(broker.Exchange{Name: "\xff", Kind: broker.Topic}), "its name is not UTF-8"},
		"a kind that is not UTF-8":               {exchanges(broker.Exchange{Name: "x", Kind: "x-\xff"}), "its kind is not UTF-8"},
		"a long kind":                            {exchanges(broker.Exchange{Name: "x", Kind: broker.Kind("x-" + fits)}), "its kind has 257 bytes"},
		"an alternate that is not UTF-8":         {exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "\xff"}), "alternate-exchange is not UTF-8"},
		"a long dead-letter exchange":            {queues(broker.Queue{Name: "q", DeadLetter: &broker.DeadLetter{Exchange: long}}), "x-dead-letter-exchange has 256"},
		"a dead-letter key that is not UTF-8":    {queues(broker.Queue{Name: "q", DeadLetter: &broker.DeadLetter{RoutingKey: "\xff"}}), "x-dead-letter-routing-key is not UTF-8"},
		"a long dead-letter key as an argument":  {queues(broker.Queue{Name: "q", Arguments: processor.Headers{"x-dead-letter-routing-key": long}}), "x-dead-letter-routing-key has 256"},
		"a stream's age in words":                {queues(broker.Queue{Name: "q", Arguments: processor.Headers{"x-queue-type": "stream", "x-max-age": "a week"}}), `x-max-age is "a week"`},
		"an age, of a vhost's default type":      {queues(broker.Queue{Name: "q", Arguments: processor.Headers{"x-max-age": ""}}), `x-max-age is ""`},
		"a binding's queue that is not UTF-8":    {bindings(broker.Binding{Exchange: "x", Queue: "\xff"}), "its queue is not UTF-8"},
		"a binding's exchange that is not UTF-8": {bindings(broker.Binding{Exchange: "\xff", Queue: "q"}), "its exchange is not UTF-8"},
		"a binding's key that is not UTF-8":      {bindings(broker.Binding{Exchange: "x", Queue: "q", RoutingKey: "\xff"}), "its routing key is not UTF-8"},
		"a binding without a queue":              {bindings(broker.Binding{Exchange: "x"}), "it needs a queue"},
		"a binding without an exchange":          {bindings(broker.Binding{Queue: "q"}), `queue "q" to exchange "": it needs an exchange`},
		"a binding's long key":                   {bindings(broker.Binding{Exchange: "x", Queue: "q", RoutingKey: long}), "the limit is 255"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.topology.Validate()
			require.ErrorIs(t, err, broker.ErrTopology)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestAQuorumQueueMayBeOneByItsArguments(t *testing.T) {
	t.Parallel()
	q := delayed(time.Second, time.Second)
	q.Type, q.DeliveryLimit, q.Arguments = "", 7, processor.Headers{"x-queue-type": "quorum"}
	require.NoError(t, queues(q).Validate())
}

func TestValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	err := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: "topics"}},
		Queues:    []broker.Queue{{Name: "slow", MessageTTL: -1}, {Name: "short", MaxLength: -1}},
		Bindings:  []broker.Binding{{Queue: "lonely"}},
	}.Validate()
	for _, culprit := range []string{`"x"`, `"slow"`, `"short"`, `"lonely"`} {
		require.ErrorContains(t, err, culprit)
	}
}

func TestExchangeAllArguments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		exchange broker.Exchange
		want     processor.Headers
	}{
		"none":      {broker.Exchange{Name: "x", Kind: broker.Topic}, processor.Headers{}},
		"flags":     {broker.Exchange{Transient: true, AutoDelete: true, Internal: true}, processor.Headers{}},
		"Alternate": {broker.Exchange{Alternate: "lost"}, processor.Headers{"alternate-exchange": "lost"}},
		"both": {
			broker.Exchange{Alternate: "lost", Arguments: processor.Headers{"x-delayed-type": "topic"}},
			processor.Headers{"alternate-exchange": "lost", "x-delayed-type": "topic"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.exchange.AllArguments())
		})
	}
}

func TestQueueAllArguments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		queue broker.Queue
		want  processor.Headers
	}{
		"none":       {broker.Queue{Name: "q"}, processor.Headers{}},
		"flags":      {broker.Queue{Transient: true, Exclusive: true, AutoDelete: true}, processor.Headers{}},
		"Classic":    {broker.Queue{Type: broker.Classic}, processor.Headers{"x-queue-type": "classic"}},
		"Quorum":     {broker.Queue{Type: broker.Quorum}, processor.Headers{"x-queue-type": "quorum"}},
		"MessageTTL": {broker.Queue{MessageTTL: 24 * time.Hour}, processor.Headers{"x-message-ttl": int64(86_400_000)}},
		"Expires":    {broker.Queue{Expires: time.Second}, processor.Headers{"x-expires": int64(1000)}},
		"MaxLength":  {broker.Queue{MaxLength: 7}, processor.Headers{"x-max-length": int64(7)}},
		"Overflow":   {broker.Queue{Overflow: broker.RejectPublish}, processor.Headers{"x-overflow": "reject-publish"}},
		"DeadLetter": {broker.Queue{DeadLetter: &broker.DeadLetter{Exchange: "dlx"}}, processor.Headers{"x-dead-letter-exchange": "dlx"}},
		"DeadLetter, default": {
			broker.Queue{DeadLetter: &broker.DeadLetter{RoutingKey: "parked"}},
			processor.Headers{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "parked"},
		},
		"DeliveryLimit": {
			broker.Queue{Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
			processor.Headers{"x-queue-type": "quorum", "x-delivery-limit": int64(1<<31 - 1)},
		},
		"DelayedRetry": {
			delayed(time.Second, 2*time.Minute),
			processor.Headers{
				"x-queue-type": "quorum", "x-delayed-retry-type": "failed",
				"x-delayed-retry-min": int64(1000), "x-delayed-retry-max": int64(120_000),
			},
		},
		"both": {
			broker.Queue{MaxLength: 7, Arguments: processor.Headers{"x-max-priority": int64(9)}},
			processor.Headers{"x-max-length": int64(7), "x-max-priority": int64(9)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.queue.AllArguments())
		})
	}
}

func TestAllArgumentsIsACopy(t *testing.T) {
	t.Parallel()
	arguments := processor.Headers{"x-max-priority": int64(9)}
	broker.Queue{Arguments: arguments, MaxLength: 7}.AllArguments()["a"] = 1
	broker.Exchange{Arguments: arguments, Alternate: "lost"}.AllArguments()["a"] = 1
	require.Equal(t, processor.Headers{"x-max-priority": int64(9)}, arguments)
}

// delayed is a queue that retries by itself.
func delayed(least, most time.Duration) broker.Queue {
	return broker.Queue{Name: "q", Type: broker.Quorum, DelayedRetry: &broker.DelayedRetry{Min: least, Max: most}}
}
