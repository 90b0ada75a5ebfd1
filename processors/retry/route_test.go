package retry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processors/retry"
)

// The queues of the example of Swarrot's RetryProcessor.
func swarrot(opts ...retry.Option) (broker.Topology, error) {
	return retry.Topology(broker.Queue{Name: "mail"}, "mail_retry_%attempts%", append(opts, retry.Exchange("retry"),
		retry.Return(broker.Exchange{Name: "mail"}, "mail"),
		retry.Delays(30*time.Second, 3*time.Minute, 30*time.Minute))...)
}

func TestRetriesReturnThroughAnExchange(t *testing.T) {
	t.Parallel()
	back := &broker.DeadLetter{Exchange: "mail", RoutingKey: "mail"}
	got, err := swarrot()
	require.NoError(t, err)
	require.Equal(t, broker.Topology{
		Exchanges: []broker.Exchange{{Name: "retry", Kind: broker.Direct}, {Name: "mail", Kind: broker.Direct}},
		Queues: []broker.Queue{
			{Name: "mail"},
			{Name: "mail_retry_1", MessageTTL: 30 * time.Second, DeadLetter: back},
			{Name: "mail_retry_2", MessageTTL: 3 * time.Minute, DeadLetter: back},
			{Name: "mail_retry_3", MessageTTL: 30 * time.Minute, DeadLetter: back},
		},
		Bindings: []broker.Binding{
			{Exchange: "retry", Queue: "mail_retry_1", RoutingKey: "mail_retry_1"},
			{Exchange: "retry", Queue: "mail_retry_2", RoutingKey: "mail_retry_2"},
			{Exchange: "retry", Queue: "mail_retry_3", RoutingKey: "mail_retry_3"},
			{Exchange: "mail", Queue: "mail", RoutingKey: "mail"},
		},
		Owned: []string{"mail_retry_"},
	}, got)
}

// The rules for what comes back by name hold for what comes back by a binding.
func TestAWayBackKeepsTheRules(t *testing.T) {
	t.Parallel()
	route := []retry.Option{retry.Delays(time.Second), retry.ParkKey("parked"), retry.Return(broker.Exchange{Name: "amq.topic"}, "mail.back")}
	got, err := retry.Topology(broker.Queue{Name: work, Type: broker.Quorum}, "r_%attempt%", route...)
	require.NoError(t, err)
	require.Empty(t, got.Exchanges, "amq.topic is there")
	require.Equal(t, []broker.Binding{{Exchange: "amq.topic", Queue: work, RoutingKey: "mail.back"}}, got.Bindings)
	require.Equal(t, broker.RejectPublish, got.Queues[1].Overflow)
	require.Equal(t, "at-least-once", got.Queues[1].Arguments["x-dead-letter-strategy"])
	require.Equal(t, broker.HighDeliveryLimit, got.Queues[1].DeliveryLimit)

	_, err = retry.Topology(broker.Queue{Name: work, Type: broker.Quorum}, "r_%attempt%", append(route, retry.QueueType(broker.Classic))...)
	require.ErrorContains(t, err, "classic queues")
	_, err = retry.Topology(broker.Queue{Name: work, MaxLength: 5, DeadLetter: &broker.DeadLetter{RoutingKey: "r_1"}}, "r_%attempt%", route...)
	require.ErrorContains(t, err, "dead-letters into the retry queue")
	loop := broker.Queue{Name: work, MaxLength: 5, DeadLetter: &broker.DeadLetter{Exchange: "amq.topic", RoutingKey: "mail.back"}}
	_, err = retry.Topology(loop, "r_%attempt%", route...)
	require.ErrorContains(t, err, "lead back to it")
}

func TestAWayThatDoesNotLeadBackIsRefused(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 256))
	for name, tc := range map[string]struct {
		exchange broker.Exchange
		key      string
		says     string
	}{
		"no name":     {broker.Exchange{}, "mail", "leave Return out"},
		"no key":      {broker.Exchange{Name: "mail"}, "", `bound to "mail"`},
		"to everyone": {broker.Exchange{Name: "mail", Kind: broker.Fanout}, "mail", "kind fanout"},
		"by headers":  {broker.Exchange{Name: "mail", Kind: broker.HeadersKind}, "mail", "kind headers"},
		"a pattern":   {broker.Exchange{Name: "mail", Kind: broker.Topic}, "mail.#", "is a pattern"},
		"too long":    {broker.Exchange{Name: "mail"}, long, "shorten it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := retry.Topology(broker.Queue{Name: work}, "r_%attempt%", retry.Delays(time.Second), retry.Return(tc.exchange, tc.key))
			require.ErrorContains(t, err, tc.says)
		})
	}
}

// With one exchange for all, a copy must not go to the work queue and to its own.
func TestOneExchangeForTheWayOutAndBack(t *testing.T) {
	t.Parallel()
	one := []retry.Option{retry.Exchange("mail"), retry.Delays(time.Second), retry.Return(broker.Exchange{Name: "mail"}, "mail")}
	got, err := retry.Topology(broker.Queue{Name: work}, "r_%attempt%", append(one, retry.ParkKey("parked"))...)
	require.NoError(t, err)
	require.Len(t, got.Exchanges, 1)
	_, err = retry.Topology(broker.Queue{Name: work}, "mail", append(one, retry.Retries(1))...)
	require.ErrorContains(t, err, "come back at once as well")
	_, err = retry.Topology(broker.Queue{Name: work}, "r_%attempt%", append(one, retry.ParkKey("mail"))...)
	require.ErrorContains(t, err, "for ever")
	_, err = retry.Topology(broker.Queue{Name: work}, "r_%attempt%",
		retry.Exchange("mail"), retry.Delays(time.Second), retry.Return(broker.Exchange{Name: "mail", Kind: broker.Topic}, "mail"))
	require.ErrorContains(t, err, "listed twice, and differently")
}

func TestOthersDeclareTheQueues(t *testing.T) {
	t.Parallel()
	q := broker.Queue{Name: work, Type: broker.Quorum, MaxLength: 5}
	for _, opts := range [][]retry.Option{
		{retry.DeclaredByOthers()},
		{retry.DeclaredByOthers(), retry.Delays(time.Second), retry.ParkKey("parked")},
	} {
		got, err := retry.Topology(q, "r_%attempt%", opts...)
		require.NoError(t, err)
		require.Equal(t, broker.Topology{Queues: []broker.Queue{q}}, got)
	}
	_, err := retry.Topology(broker.Queue{}, "r_%attempt%", retry.DeclaredByOthers())
	require.ErrorContains(t, err, "no name")
}
