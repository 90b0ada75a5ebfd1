package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// worker is a quorum queue with a limit of 3 and a dead-letter target.
func worker(name, exchange, key string) broker.Queue {
	return broker.Queue{Name: name, Type: broker.Quorum, DeliveryLimit: 3, DeadLetter: &broker.DeadLetter{Exchange: exchange, RoutingKey: key}}
}

// waits is a delay queue.
func waits(name, exchange, key string) broker.Queue {
	return broker.Queue{Name: name, MessageTTL: time.Minute, DeadLetter: &broker.DeadLetter{Exchange: exchange, RoutingKey: key}}
}

func bind(exchange, key, queue string) broker.Binding {
	return broker.Binding{Exchange: exchange, Queue: queue, RoutingKey: key}
}

func TestLoopsOfDeadLetters(t *testing.T) {
	t.Parallel()
	const direct = "mail (delivery limit 3) -> wait (TTL 1m0s) -> mail"
	for name, tc := range map[string]struct {
		t    broker.Topology
		want []string
	}{
		"nothing": {},
		"by the default exchange": {
			broker.Topology{Queues: []broker.Queue{waits("wait", "", "mail"), worker("mail", "", "wait")}},
			[]string{direct},
		},
		"by an exchange of each kind, the key replaced": {
			broker.Topology{
				Exchanges: []broker.Exchange{{Name: "d", Kind: broker.Direct}, {Name: "f", Kind: broker.Fanout}, {Name: "t", Kind: broker.Topic}},
				Queues: []broker.Queue{
					worker("mail", "d", "w1"), waits("w1", "f", ""), waits("w2", "t", "a.b.c"), worker("other", "t", "a.b"),
				},
				Bindings: []broker.Binding{bind("d", "w1", "w1"), bind("d", "w2", "other"), bind("f", "", "w2"), bind("t", "a.#.c", "mail"), bind("t", "a.*.*.*", "other")},
			},
			[]string{"mail (delivery limit 3) -> w1 (TTL 1m0s) -> w2 (TTL 1m0s) -> mail"},
		},
		"the key kept": {
			broker.Topology{
				Exchanges: []broker.Exchange{{Name: "work", Kind: broker.Direct}, {Name: "dead", Kind: broker.Fanout}},
				Queues:    []broker.Queue{worker("mail", "dead", ""), waits("wait", "work", ""), waits("other", "work", "x")},
				Bindings:  []broker.Binding{bind("work", "send", "mail"), bind("dead", "", "wait")},
			},
			[]string{direct},
		},
		"the key kept, which leads elsewhere": {broker.Topology{
			Exchanges: []broker.Exchange{{Name: "work", Kind: broker.Direct}, {Name: "back", Kind: broker.Direct}, {Name: "dead", Kind: broker.Fanout}},
			Queues:    []broker.Queue{worker("mail", "dead", ""), waits("wait", "back", ""), {Name: "parked"}},
			Bindings:  []broker.Binding{bind("work", "send", "mail"), bind("dead", "", "wait"), bind("back", "send", "parked")},
		}, nil},
		"its own key, on the default exchange": {
			broker.Topology{Queues: []broker.Queue{worker("mail", "", "")}},
			[]string{"mail (delivery limit 3) -> mail"},
		},
		"a key that only the message knows": {
			broker.Topology{
				Exchanges: []broker.Exchange{{Name: "work", Kind: broker.Topic}, {Name: "dead", Kind: broker.Fanout}},
				Queues:    []broker.Queue{worker("mail", "dead", ""), waits("wait", "work", "")},
				Bindings:  []broker.Binding{bind("work", "mail.#", "mail"), bind("dead", "", "wait")},
			},
			[]string{direct},
		},
		"by alternate exchanges": {
			broker.Topology{
				Exchanges: []broker.Exchange{
					{Name: "a", Kind: broker.Direct, Alternate: "b"}, {Name: "b", Kind: broker.HeadersKind, Alternate: "c"},
					{Name: "c", Kind: broker.Fanout, Alternate: "a"},
				},
				Queues:   []broker.Queue{worker("mail", "a", "k"), waits("wait", "", "mail"), waits("other", "", "else")},
				Bindings: []broker.Binding{bind("a", "l", "other"), bind("c", "", "wait")},
			},
			[]string{direct},
		},
		"not by an alternate of what is routed": {broker.Topology{
			Exchanges: []broker.Exchange{{Name: "a", Kind: broker.Direct, Alternate: "b"}, {Name: "b", Kind: broker.Fanout}},
			Queues:    []broker.Queue{worker("mail", "a", "k"), waits("wait", "", "mail"), {Name: "parked"}},
			Bindings:  []broker.Binding{bind("a", "k", "parked"), bind("b", "", "wait")},
		}, nil},
		"alternates in a circle": {broker.Topology{
			Exchanges: []broker.Exchange{{Name: "a", Kind: broker.Direct, Alternate: "b"}, {Name: "b", Kind: broker.Direct, Alternate: "a"}},
			Queues:    []broker.Queue{worker("mail", "a", "k")},
		}, nil},
		"by the broker's own exchange": {
			broker.Topology{
				Queues:   []broker.Queue{worker("mail", "amq.fanout", ""), waits("wait", "amq.direct", "k")},
				Bindings: []broker.Binding{bind("amq.fanout", "", "wait"), bind("amq.direct", "k", "mail"), bind("amq.topic", "k", "wait")},
			},
			[]string{direct},
		},
		"by a header": {
			broker.Topology{
				Exchanges: []broker.Exchange{{Name: "h", Kind: broker.HeadersKind}},
				Queues:    []broker.Queue{worker("mail", "h", ""), waits("wait", "", "mail")},
				Bindings:  []broker.Binding{{Exchange: "h", Queue: "wait", Arguments: processor.Headers{"wait": true}}},
			},
			[]string{direct},
		},
		"two work queues, each the other's": {
			broker.Topology{Queues: []broker.Queue{worker("a", "", "b"), worker("b", "", "a")}},
			[]string{"a (delivery limit 3) -> b (delivery limit 3) -> a"},
		},
		"two loops, one in the other": {
			broker.Topology{
				Exchanges: []broker.Exchange{{Name: "f", Kind: broker.Fanout}},
				Queues:    []broker.Queue{worker("mail", "f", ""), waits("long", "", "short"), waits("short", "", "mail")},
				Bindings:  []broker.Binding{bind("f", "", "short"), bind("f", "", "long")},
			},
			[]string{"mail (delivery limit 3) -> short (TTL 1m0s) -> mail", "mail (delivery limit 3) -> long (TTL 1m0s) -> short (TTL 1m0s) -> mail"},
		},
		"what expires, and what is too many": {
			broker.Topology{Queues: []broker.Queue{
				waits("a", "", "b"), waits("b", "", "a"),
				{Name: "full", MaxLength: 3, DeadLetter: &broker.DeadLetter{RoutingKey: "c"}},
				{Name: "c", Arguments: processor.Headers{"x-max-length-bytes": 3, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "full"}},
			}},
			[]string{"a (TTL 1m0s) -> b (TTL 1m0s) -> a", "full (full) -> c (full) -> full"},
		},
		"the limit that a quorum queue has by itself": {
			broker.Topology{Queues: []broker.Queue{{Name: "mail", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}}, waits("wait", "", "mail")}},
			[]string{"mail (delivery limit 20, by default) -> wait (TTL 1m0s) -> mail"},
		},
		"as arguments": {
			broker.Topology{Queues: []broker.Queue{
				{Name: "mail", Arguments: processor.Headers{"x-queue-type": "quorum", "x-delivery-limit": int8(3), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "wait"}},
				waits("wait", "", "mail"),
			}},
			[]string{direct},
		},
		"that only rejected messages go round": {broker.Topology{Queues: []broker.Queue{
			{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}}, waits("wait", "", "mail"),
		}}, nil},
		"the same, with a quorum queue that never gives up": {broker.Topology{Queues: []broker.Queue{
			{Name: "mail", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit, DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}}, waits("wait", "", "mail"),
		}}, nil},
		"RabbitMQ's word for none": {broker.Topology{Queues: []broker.Queue{
			{Name: "mail", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}, Arguments: processor.Headers{"x-delivery-limit": -1}}, waits("wait", "", "mail"),
		}}, nil},
		"one that refuses when it is full": {broker.Topology{Queues: []broker.Queue{
			{Name: "mail", MaxLength: 3, Overflow: broker.RejectPublish, DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}}, waits("wait", "", "mail"),
		}}, nil},
		"nobody's": {broker.Topology{Queues: []broker.Queue{worker("mail", "", "parked"), {Name: "parked"}, worker("other", "nowhere", "")}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, l := range tc.t.Loops() {
				require.Len(t, l.Reasons, len(l.Queues))
				require.Equal(t, strings.Contains(l.Reasons[0], "limit"), l.Limited)
				got = append(got, l.String())
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestTheLimitOfAQueue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		queue broker.Queue
		limit int64
		ends  bool
	}{
		"classic":         {broker.Queue{}, 0, false},
		"by default":      {broker.Queue{Type: broker.Quorum}, 20, true},
		"as set":          {broker.Queue{Type: broker.Quorum, DeliveryLimit: 7}, 7, true},
		"as an argument":  {broker.Queue{Type: broker.Quorum, Arguments: processor.Headers{"x-delivery-limit": 0}}, 0, true},
		"never reached":   {broker.Queue{Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, broker.HighDeliveryLimit, false},
		"RabbitMQ's none": {broker.Queue{Arguments: processor.Headers{"x-queue-type": "quorum", "x-delivery-limit": -1}}, -1, false},
	} {
		limit, ends := tc.queue.Limit()
		require.Equal(t, tc.limit, limit, name)
		require.Equal(t, tc.ends, ends, name)
	}
}
