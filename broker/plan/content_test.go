package plan_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/processor"
)

func TestPlanOfNothing(t *testing.T) {
	t.Parallel()
	p := plan.Of(broker.Topology{})
	require.Equal(t, "nothing to declare\n", p.String())
	require.Empty(t, parseMermaid(t, p.Mermaid()).nodes)
	require.Empty(t, parseGraphviz(t, p.Graphviz()).nodes)
	definitions, err := p.Definitions("/")
	require.NoError(t, err)
	require.JSONEq(t, `{"exchanges": [], "queues": [], "bindings": []}`, string(definitions))
}

func TestPlanHasEachPartOnce(t *testing.T) {
	t.Parallel()
	twice := mailTopology()
	twice.Exchanges = append(twice.Exchanges, twice.Exchanges...)
	twice.Queues = append(twice.Queues, twice.Queues...)
	twice.Bindings = append(twice.Bindings, twice.Bindings...)
	require.Equal(t, plan.Of(mailTopology()).String(), plan.Of(twice).String())
}

// A diagram has no place for owned names, and an import has no use for them.
func TestOnlyTheTextShowsWhatIsOwned(t *testing.T) {
	t.Parallel()
	plain, owned := mailTopology(), mailTopology()
	owned.Owned = []string{"mail.delay.", "mail old", "mail.delay."}
	require.Equal(t, plan.Of(plain).String()+"\nowned     queues whose names begin with mail.delay., \"mail old\"\n", plan.Of(owned).String())
	require.Equal(t, plan.Of(plain).Mermaid(), plan.Of(owned).Mermaid())
	require.Equal(t, plan.Of(plain).Graphviz(), plan.Of(owned).Graphviz())
	want, err := plan.Of(plain).Definitions("/")
	require.NoError(t, err)
	got, err := plan.Of(owned).Definitions("/")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	require.Equal(t, "owned     queues whose names begin with q\n", plan.Of(broker.Topology{Owned: []string{"q"}}).String())
}

func TestPlanIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	show := func() string {
		p := plan.Of(everything())
		definitions, err := p.Definitions("/")
		require.NoError(t, err)
		return p.String() + p.Mermaid() + p.Graphviz() + string(definitions)
	}
	first := show()
	for range 50 {
		require.Equal(t, first, show())
	}
}

func TestPlanLeavesTheTopologyAlone(t *testing.T) {
	t.Parallel()
	topology := everything()
	p := plan.Of(topology)
	_, err := p.Definitions("/")
	require.NoError(t, err)
	_ = p.String() + p.Mermaid() + p.Graphviz()
	require.Equal(t, everything(), topology)
}

// The end is listed first. A circle has no beginning, and a part may feed itself.
func TestPlanPutsWhatFeedsBeforeWhatIsFed(t *testing.T) {
	t.Parallel()
	topology := broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: "circle-1", Kind: broker.Fanout, Alternate: "circle-2"},
			{Name: "circle-2", Kind: broker.Fanout, Alternate: "circle-1"},
			{Name: "dead", Kind: broker.Fanout},
			{Name: "work", Kind: broker.Fanout},
		},
		Queues: []broker.Queue{
			{Name: "self", DeadLetter: &broker.DeadLetter{RoutingKey: "self"}},
			{Name: "dead"},
			{Name: "work", DeadLetter: &broker.DeadLetter{Exchange: "dead"}},
			{Name: "delay", MessageTTL: time.Second, DeadLetter: &broker.DeadLetter{Exchange: "work"}},
		},
		Bindings: []broker.Binding{
			{Exchange: "unknown", Queue: "self", RoutingKey: "k"},
			{Exchange: "dead", Queue: "dead"},
			{Exchange: "work", Queue: "work"},
		},
	}
	require.Equal(t, `exchange  work      fanout
exchange  dead      fanout
exchange  circle-1  fanout  unroutable to exchange circle-2
exchange  circle-2  fanout  unroutable to exchange circle-1

queue     work   default type  dead letters to exchange dead
queue     dead   default type
queue     delay  default type  TTL 1s, dead letters to exchange work
queue     self   default type  dead letters to the default exchange with key self

binding   work       -> work
binding   dead       -> dead
binding   unknown    -> self        key k, the exchange is not declared here
binding   (default)  -> each queue  key: its name
`, plan.Of(topology).String())
}

// A field and its argument are shown alike.
func TestPlanReadsArgumentsAsFields(t *testing.T) {
	t.Parallel()
	fields := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Topic, Alternate: "lost"}},
		Queues: []broker.Queue{{
			Name: "q", Type: broker.Quorum, MessageTTL: time.Second, Expires: time.Minute, MaxLength: 7,
			Overflow: broker.RejectPublish, DeadLetter: &broker.DeadLetter{Exchange: "x", RoutingKey: "k"},
		}},
	}
	arguments := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Topic, Arguments: processor.Headers{"alternate-exchange": "lost"}}},
		Queues: []broker.Queue{{Name: "q", Arguments: processor.Headers{
			"x-queue-type": "quorum", "x-message-ttl": 1000, "x-expires": int32(60_000), "x-max-length": uint8(7),
			"x-overflow": "reject-publish", "x-dead-letter-exchange": "x", "x-dead-letter-routing-key": "k",
		}}},
	}
	require.Equal(t, plan.Of(fields).String(), plan.Of(arguments).String())
	require.Equal(t, plan.Of(fields).Mermaid(), plan.Of(arguments).Mermaid())
	require.Equal(t, plan.Of(fields).Graphviz(), plan.Of(arguments).Graphviz())
}

// Arguments that the broker would refuse are shown as written, not as they may be meant.
func TestPlanShowsWrongArgumentsAsTheyAre(t *testing.T) {
	t.Parallel()
	itself := processor.Headers{}
	itself["itself"] = itself
	for argument, shows := range map[string]any{
		`x-message-ttl="5"`:    processor.Headers{"x-message-ttl": "5"},
		`x-message-ttl=-5`:     processor.Headers{"x-message-ttl": -5},
		`x-queue-type=5`:       processor.Headers{"x-queue-type": 5},
		`a struct {}, which c`: processor.Headers{"x": struct{}{}},
		`itself={itself={...`:  itself,
	} {
		arguments, _ := shows.(processor.Headers)
		p := plan.Of(broker.Topology{Queues: []broker.Queue{{Name: "q", Arguments: arguments}}})
		require.Contains(t, strings.ReplaceAll(p.String(), "itself={itself={itself", "itself={itself={..."), argument)
		parseMermaid(t, p.Mermaid())
		parseGraphviz(t, p.Graphviz())
	}
}

func TestDefinitionsRoundTrip(t *testing.T) {
	t.Parallel()
	definitions, err := plan.Of(everything()).Definitions("sales")
	require.NoError(t, err)
	var parsed struct {
		Exchanges []map[string]any `json:"exchanges"`
		Queues    []map[string]any `json:"queues"`
		Bindings  []map[string]any `json:"bindings"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(definitions)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&parsed))

	topology := everything()
	require.Len(t, parsed.Exchanges, len(topology.Exchanges))
	for _, x := range topology.Exchanges {
		require.Contains(t, parsed.Exchanges, map[string]any{
			"name": x.Name, "vhost": "sales", "type": string(x.Kind), "durable": !x.Transient,
			"auto_delete": x.AutoDelete, "internal": x.Internal, "arguments": asJSON(x.AllArguments()),
		})
	}
	require.Len(t, parsed.Queues, len(topology.Queues)-1, "an exclusive queue cannot be imported")
	for _, q := range topology.Queues {
		if !q.Exclusive {
			require.Contains(t, parsed.Queues, map[string]any{
				"name": q.Name, "vhost": "sales", "durable": !q.Transient,
				"auto_delete": q.AutoDelete, "arguments": asJSON(q.AllArguments()),
			})
		}
	}
	require.Len(t, parsed.Bindings, len(topology.Bindings)-1)
	for _, b := range topology.Bindings {
		if b.Queue != "replies" {
			require.Contains(t, parsed.Bindings, map[string]any{
				"source": b.Exchange, "vhost": "sales", "destination": b.Queue, "destination_type": "queue",
				"routing_key": b.RoutingKey, "arguments": asJSON(b.AllArguments()),
			})
		}
	}
}

// asJSON returns arguments of [everything] in JSON, with the types that RabbitMQ reads:
// a number with a fraction is a float.
func asJSON(h processor.Headers) map[string]any {
	object := map[string]any{}
	for name, value := range h {
		object[name] = valueAsJSON(value)
	}
	return object
}

func valueAsJSON(v any) any {
	switch v := v.(type) {
	case int8:
		return json.Number("1")
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float32:
		return json.Number("0.5")
	case float64:
		return map[float64]any{1: json.Number("1.0"), 1e300: json.Number("1.0e+300")}[v]
	case processor.Headers:
		return asJSON(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = valueAsJSON(item)
		}
		return list
	}
	return v
}

func TestDefinitionsRefuseWhatJSONCannotHold(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"nil": nil, "bytes": []byte("b"), "a decimal": processor.Decimal{Scale: 1, Value: 5}, "a time": time.Unix(0, 0),
		"a subnormal":            5e-324,
		"text that is not UTF-8": "\xff", "a list of bytes": []any{[]byte{}}, "a table of nil": processor.Headers{"n": nil},
		"a name that is not UTF-8": processor.Headers{"\xff": 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arguments := processor.Headers{"good": 1, "bad": value}
			for owner, topology := range map[string]broker.Topology{
				`exchange "x"`: exchanges(broker.Exchange{Name: "x", Kind: broker.Direct, Arguments: arguments}),
				`queue "q"`:    queues(broker.Queue{Name: "q", Arguments: arguments}),
				`binding of queue "q" to exchange "amq.headers"`: bindings(broker.Binding{Exchange: "amq.headers", Queue: "q", Arguments: arguments}),
			} {
				require.NoError(t, topology.Validate())
				definitions, err := plan.Of(topology).Definitions("/")
				require.ErrorIs(t, err, plan.ErrDefinitions)
				require.ErrorContains(t, err, owner)
				require.ErrorContains(t, err, `"bad"`)
				require.Empty(t, definitions)
			}
		})
	}
}

// Each of these would have been another name after the import.
func TestDefinitionsRefuseNamesThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	for name, topology := range map[string]broker.Topology{
		"an exchange": exchanges(broker.Exchange{Name: "\xff", Kind: broker.Direct}),
		"a kind":      exchanges(broker.Exchange{Name: "x", Kind: "x-\xff"}),
		"a queue":     queues(broker.Queue{Name: "\xff"}),
		"a key":       bindings(broker.Binding{Exchange: "x", Queue: "q", RoutingKey: "\xff"}),
		"a target":    queues(broker.Queue{Name: "q", DeadLetter: &broker.DeadLetter{Exchange: "\xff"}}),
	} {
		_, err := plan.Of(topology).Definitions("/")
		require.ErrorIs(t, err, broker.ErrTopology, name)
	}
	for _, vhost := range []string{"", "\xff"} {
		_, err := plan.Of(mailTopology()).Definitions(vhost)
		require.ErrorIs(t, err, plan.ErrDefinitions)
	}
}

func TestDefinitionsOfWhatCannotBeDeclared(t *testing.T) {
	t.Parallel()
	_, err := plan.Of(queues(broker.Queue{Name: "q"}, broker.Queue{Name: "q", MaxLength: 1})).Definitions("/")
	require.ErrorIs(t, err, broker.ErrTopology)
}
