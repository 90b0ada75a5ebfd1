package plan_test

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/processor"
)

var update = flag.Bool("update", false, "write the golden files")

// mailTopology is that of examples/mail.
func mailTopology() broker.Topology {
	back := &broker.DeadLetter{Exchange: "mail", RoutingKey: "mail"}
	return broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}, {Name: "retry", Kind: broker.Direct}},
		Queues: []broker.Queue{
			{Name: "mail"},
			{Name: "mail_parked"},
			{Name: "mail_retry_1", MessageTTL: 30 * time.Second, DeadLetter: back},
			{Name: "mail_retry_2", MessageTTL: 3 * time.Minute, DeadLetter: back},
			{Name: "mail_retry_3", MessageTTL: 30 * time.Minute, DeadLetter: back},
		},
		Bindings: []broker.Binding{
			{Exchange: "mail", Queue: "mail", RoutingKey: "mail"},
			{Exchange: "retry", Queue: "mail_parked", RoutingKey: "mail_parked"},
			{Exchange: "retry", Queue: "mail_retry_1", RoutingKey: "mail_retry_1"},
			{Exchange: "retry", Queue: "mail_retry_2", RoutingKey: "mail_retry_2"},
			{Exchange: "retry", Queue: "mail_retry_3", RoutingKey: "mail_retry_3"},
		},
	}
}

// everything has each field and each kind of argument and of name, and is listed from its
// end.
func everything() broker.Topology {
	return broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: "dead", Kind: broker.Fanout},
			{Name: "lost", Kind: broker.Fanout, Internal: true, Transient: true, AutoDelete: true},
			{Name: "orders", Kind: broker.Topic, Alternate: "lost", Arguments: processor.Headers{"x-note": "a \"b\"\n<c>"}},
			{Name: "formats", Kind: broker.HeadersKind, Alternate: "elsewhere"},
			{Name: "hashed", Kind: "x-consistent-hash"},
		},
		Queues: []broker.Queue{
			{Name: "dead", Type: broker.Classic, MaxLength: 1000, MessageTTL: 24 * time.Hour},
			{Name: "lost", Arguments: processor.Headers{"x-queue-type": "stream", "x-max-age": "7D"}},
			{
				Name: "orders", Type: broker.Quorum, MaxLength: 50, Overflow: broker.RejectPublish,
				DeadLetter: &broker.DeadLetter{Exchange: "dead"},
				Arguments:  processor.Headers{"x-delivery-limit": 5, "x-dead-letter-strategy": "at-least-once"},
			},
			{Name: "orders.wait", MessageTTL: 1500 * time.Millisecond, DeadLetter: &broker.DeadLetter{RoutingKey: "orders"}},
			{Name: "replies", Expires: time.Hour, Transient: true, Exclusive: true, AutoDelete: true},
			{Name: "kept", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
			{
				Name: "paced", Type: broker.Quorum, DeliveryLimit: 7, DeadLetter: &broker.DeadLetter{RoutingKey: "kept"},
				DelayedRetry: &broker.DelayedRetry{Min: time.Second, Max: time.Minute},
			},
			{Name: "round", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "round"}},
			{Name: "nowhere", DeadLetter: &broker.DeadLetter{Exchange: "gone", RoutingKey: "k"}},
			{Name: "keeps", DeadLetter: &broker.DeadLetter{}},
			{Name: "misspelt", DeadLetter: &broker.DeadLetter{RoutingKey: "order"}},
			{Name: "the \"end\"\n", Arguments: processor.Headers{
				"x-message-ttl": 5, "x-dead-letter-exchange": "dead", "x-dead-letter-routing-key": "",
				"bool": true, "float": 1.0, "small": float32(0.5), "large": 1e300, "list": []any{int8(1), "1", []any{}},
				"table": processor.Headers{"b": processor.Headers{}, "a": int64(math.MinInt64)},
			}},
		},
		Bindings: []broker.Binding{
			{Exchange: "dead", Queue: "dead"},
			{Exchange: "lost", Queue: "lost"},
			{Exchange: "orders", Queue: "orders", RoutingKey: "orders.#"},
			{Exchange: "orders", Queue: "orders", RoutingKey: ""},
			{Exchange: "orders", Queue: "the \"end\"\n", RoutingKey: "*.日本.] | end"},
			{Exchange: "formats", Queue: "orders.wait", Arguments: processor.Headers{"x-match": "all", "format": "pdf", "pages": 1}},
			{Exchange: "hashed", Queue: "replies", RoutingKey: "10"},
			{Exchange: "amq.topic", Queue: "nowhere", RoutingKey: "#"},
			{Exchange: "unknown", Queue: "unheard-of", RoutingKey: "k"},
		},
	}
}

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, topology := range map[string]broker.Topology{"mail": mailTopology(), "everything": everything()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, topology.Validate())
			p := plan.Of(topology)
			definitions, err := p.Definitions("/")
			require.NoError(t, err)
			requireGolden(t, name+".txt", p.String())
			requireGolden(t, name+".json", string(definitions))
			requireGolden(t, name+".mmd", p.Mermaid())
			requireGolden(t, name+".dot", p.Graphviz())
		})
	}
}
