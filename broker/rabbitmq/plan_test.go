package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// planned is in a vhost of its own, so its names are free. It has each kind of argument
// that definitions can hold.
func planned() broker.Topology {
	return broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: "orders", Kind: broker.Topic, Alternate: "lost"},
			{Name: "lost", Kind: broker.Fanout, Internal: true},
			{Name: "formats", Kind: broker.HeadersKind, Transient: true},
			{Name: "dead \"letters\" <日本>\n", Kind: broker.Direct, AutoDelete: true},
		},
		Queues: []broker.Queue{
			{Name: "orders", Type: broker.Quorum, Overflow: broker.RejectPublish, MaxLength: 50, Arguments: processor.Headers{"x-delivery-limit": int8(5)}},
			{
				Name: "wait", MessageTTL: 300 * time.Millisecond, Expires: time.Hour, Type: broker.Classic,
				DeadLetter: &broker.DeadLetter{Exchange: "dead \"letters\" <日本>\n", RoutingKey: "late"},
				Arguments:  processor.Headers{"x-max-priority": uint8(3), "x-single-active-consumer": true},
			},
			{Name: "late \"日本\"\n", MessageTTL: 100 * time.Millisecond, DeadLetter: &broker.DeadLetter{RoutingKey: "orders"}},
			{Name: "lost"},
			{Name: "own", Exclusive: true},
		},
		Bindings: []broker.Binding{
			{Exchange: "orders", Queue: "wait", RoutingKey: "orders.#"},
			{Exchange: "dead \"letters\" <日本>\n", Queue: "late \"日本\"\n", RoutingKey: "late"},
			{Exchange: "lost", Queue: "lost"},
			{Exchange: "orders", Queue: "own", RoutingKey: "own"},
			{Exchange: "formats", Queue: "lost", Arguments: processor.Headers{
				"x-match": "any", "format": "pdf", "least": int64(math.MinInt64), "most": int64(math.MaxInt64),
				"one": 1.0, "huge": 1e300, "tiny": 0x1p-1022, "negative": -0.1, "yes": true,
				"list": []any{int64(1), "1", []any{}}, "table": processor.Headers{"a": processor.Headers{"b": 0.5}},
			}},
			{Exchange: "formats", Queue: "lost", Arguments: processor.Headers{"x-match": "all", "pages": int32(7)}},
		},
	}
}

// importPlan imports t's plan, and returns the vhost's URL.
func importPlan(t *testing.T, vhost string, topology broker.Topology) string {
	t.Helper()
	node := rabbitmqtest.Shared(t)
	node.AddVhost(t, vhost)
	importInto(t, vhost, topology)
	return node.URLFor("guest", "guest", vhost)
}

func importInto(t *testing.T, vhost string, topology broker.Topology) {
	t.Helper()
	definitions, err := plan.Of(topology).Definitions(vhost)
	require.NoError(t, err)
	rabbitmqtest.Shared(t).ImportDefinitions(t, definitions)
}

// bindings counts vhost's bindings of exchange.
func bindings(t *testing.T, vhost, exchange string) int {
	t.Helper()
	sources := rabbitmqtest.Shared(t).Eval(t, "rabbit_binding:info_all(<<%q>>, [source_name])", vhost)
	return strings.Count(sources, fmt.Sprintf("<<%q>>", exchange))
}

func receiveOne(t *testing.T, b broker.Broker, queue string) processor.Message {
	t.Helper()
	sub, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sub.Close(within(t)) })
	msg, err := sub.Receive(within(t))
	require.NoError(t, err)
	return msg
}

func TestWhatIsImportedFromAPlanIsWhatDeclareAsksFor(t *testing.T) {
	t.Parallel()
	vhost := name(t)
	b := open(t, importPlan(t, vhost, planned()))
	require.NoError(t, b.Declare(within(t), planned()))

	// By the topic, a TTL, a dead-letter target with an odd name, another TTL and the
	// default exchange.
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: "orders", RoutingKey: "orders.new"}, text("late")))
	late := receiveOne(t, b, "orders")
	require.Equal(t, "late", string(late.Body()))
	require.Equal(t, "orders", late.Origin().RoutingKey)
	require.NoError(t, late.Ack())

	// By the alternate exchange.
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: "orders", RoutingKey: "odd"}, text("lost")))
	lost := receiveOne(t, b, "lost")
	require.Equal(t, "lost", string(lost.Body()))
	require.NoError(t, lost.Ack())
}

// Integers in JSON have one width. Any other difference would make a second binding, too.
// (The broker does not sort a table within a table, and the client does not either: with
// more than one key there, each declaration may make one.)
func TestOnlyANarrowNumberMakesASecondBindingAndItsMessagesComeOnce(t *testing.T) {
	t.Parallel()
	vhost := name(t)
	b := open(t, importPlan(t, vhost, planned()))
	require.Equal(t, 2, bindings(t, vhost, "formats"))
	require.NoError(t, b.Declare(within(t), planned()))
	require.Equal(t, 3, bindings(t, vhost, "formats"), "that with the int32 is there twice")

	e := text("seven")
	e.Headers = processor.Headers{"pages": int32(7)}
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: "formats"}, e))
	ready, err := b.Ready(within(t), "lost")
	require.NoError(t, err)
	require.Equal(t, 1, ready)
}

// As [plan.Plan.Definitions] says of an import.
func TestAnImportKeepsWhatExistsAndLeavesOutWhatItCannotBind(t *testing.T) {
	t.Parallel()
	vhost := name(t)
	b := open(t, importPlan(t, vhost, broker.Topology{Queues: []broker.Queue{{Name: "q"}}}))
	other := broker.Topology{
		Queues:   []broker.Queue{{Name: "q", MessageTTL: time.Second}},
		Bindings: []broker.Binding{{Exchange: "nowhere", Queue: "q", RoutingKey: "k"}},
	}
	imported := other
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		imported.Bindings = nil // it refuses definitions that name an exchange that is missing
	}
	importInto(t, vhost, imported)
	require.Zero(t, bindings(t, vhost, "nowhere"))
	require.ErrorIs(t, b.Declare(within(t), other), broker.ErrMismatch)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: "q"}}}))
}

// A topology declared on an older RabbitMQ comes to a newer one as definitions, since a data
// directory of 3.10 does not start there. It is as planned, retries and parks.
func TestATopologyThatWasImportedRetriesAndParks(t *testing.T) {
	t.Parallel()
	work, parked := name(t), name(t)
	opts := []retry.Option{retry.Delays(100 * time.Millisecond), retry.ParkKey(parked)}
	topology, err := retry.Topology(broker.Queue{Name: work, Type: broker.Quorum}, work+"_retry_%delay%", opts...)
	require.NoError(t, err)
	b := open(t, importPlan(t, name(t), topology))
	report, err := verify.Topology(within(t), b, topology)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.NoError(t, b.Declare(within(t), topology))

	p, err := stack.New(ack.New(), retry.New(b.Publisher(), work+"_retry_%delay%", opts...)).
		ThenFunc(func(context.Context, processor.Message) error { return errors.New("out of stamps") })
	require.NoError(t, err)
	require.NoError(t, b.Publisher().Publish(within(t), to(work), text("hello")))
	sub := subscribe(t, b, work, 1)
	for range 2 {
		require.NoError(t, p.Process(within(t), receive(t, sub)))
	}
	require.Equal(t, "hello", string(receiveOne(t, b, parked).Body()))
}
