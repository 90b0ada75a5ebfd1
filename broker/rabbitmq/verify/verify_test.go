package verify_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

const secret = "hunter2"

// managed is a node with management, which is slow to start: all tests of Verify share one, each in
// a vhost of its own.
type managed struct {
	node *rabbitmqtest.Node
	url  string // of the management
}

// TestVerify has the tests that need a management of their own.
func TestVerify(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	m := &managed{url: "http://guest:guest@" + address}
	m.node = rabbitmqtest.Start(t, rabbitmqtest.Plugins("rabbitmq_management", "rabbitmq_random_exchange"), rabbitmqtest.Config(
		"management.tcp.ip = 127.0.0.1", "management.tcp.port = "+port, "collect_statistics_interval = 100",
		"management.sample_retention_policies.global.minute = 1", "management.sample_retention_policies.basic.minute = 1",
		"management.sample_retention_policies.detailed.minute = 1")) // it shows policies within seconds
	m.node.Call(t, "application set_env [rabbit, quorum_tick_interval, 200]")
	for name, test := range map[string]func(*testing.T){
		"as planned":         m.asPlanned,
		"odd arguments":      m.oddArguments,
		"findings":           m.findings,
		"messages":           m.messages,
		"leftovers":          m.leftovers,
		"steps left over":    m.stepsLeftByALadder,
		"no rights in vhost": m.noRightsInTheVhost,
		"kinds of plugins":   m.pluginKinds,
		"policies":           m.policies,
		"type of the vhost":  m.typeOfTheVhost,
		"another cluster":    m.anotherCluster,
		"wrong password":     m.wrongPassword,
		"several nodes":      m.severalNodes,
		"no rights in AMQP":  m.noRights,
		"a race":             m.race,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
	}
}

// world is a vhost with a broker in it.
type world struct {
	*managed

	vhost  string
	broker *rabbitmq.Broker
	raw    *amqp.Channel
}

// newVhost makes a vhost whose name has to be escaped in URLs.
func (m *managed) newVhost(t *testing.T) *world {
	t.Helper()
	return m.newVhostOf(t, "{}")
}

func (m *managed) newVhostOf(t *testing.T, metadata string) *world {
	t.Helper()
	w := &world{managed: m, vhost: name(t) + " a/b%2f?"}
	m.do(t, http.MethodPut, "vhosts/"+url.PathEscape(w.vhost), metadata)
	m.do(t, http.MethodPut, "permissions/"+url.PathEscape(w.vhost)+"/guest", `{"configure":".*","write":".*","read":".*"}`)
	amqpURL := m.node.URLFor("guest", "guest", w.vhost)
	w.broker, w.raw = open(t, amqpURL), raw(t, amqpURL)
	return w
}

func (m *managed) do(t *testing.T, method, path, body string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t), method, m.url+"/api/"+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	require.Less(t, response.StatusCode, 300, path)
	if response.StatusCode == http.StatusNoContent || response.ContentLength == 0 {
		return nil
	}
	var answer json.RawMessage
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	return answer
}

// everything lists all that is declared in the vhost.
func (w *world) everything(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, what := range []string{"exchanges", "queues", "bindings"} {
		query := map[string]string{"exchanges": "?columns=name,type,durable,auto_delete,internal,arguments", "queues": "?columns=name,durable,auto_delete,arguments"}[what]
		all.Write(w.do(t, http.MethodGet, what+"/"+url.PathEscape(w.vhost)+query, ""))
	}
	return all.String()
}

// verify also checks that nothing has changed.
func (w *world) verify(t *testing.T, topology broker.Topology, opts ...verify.Option) *verify.Report {
	t.Helper()
	before := w.everything(t)
	report, err := verify.Topology(within(t), w.broker, topology, opts...)
	require.NoError(t, err)
	require.Equal(t, before, w.everything(t))
	return report
}

// ladder is the topology of a service with delays.
func ladder(t *testing.T, work broker.Queue) broker.Topology {
	t.Helper()
	d, err := delay.Ladder(delay.Unit(time.Second), delay.Longest(10*time.Second))(work.Name, nil)
	require.NoError(t, err)
	return broker.Topology{Queues: []broker.Queue{work}}.Merge(d.Topology())
}

// whole has each kind of part and of argument.
func whole(t *testing.T) broker.Topology {
	t.Helper()
	return ladder(t, broker.Queue{Name: "work"}).Merge(broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: "orders", Kind: broker.Topic, Alternate: "unrouted"},
			{Name: "unrouted", Kind: broker.Fanout, Internal: true, AutoDelete: true},
			{Name: "formats", Kind: broker.HeadersKind, Transient: true},
		},
		Queues: []broker.Queue{
			{Name: "orders", Type: broker.Quorum, MaxLength: 50, Expires: time.Hour, DeadLetter: &broker.DeadLetter{RoutingKey: "dead"}, Arguments: processor.Headers{"x-delivery-limit": int8(5)}},
			{Name: "dead", Type: broker.Classic, MaxLength: 5, Overflow: broker.RejectPublish, Arguments: processor.Headers{"x-max-priority": uint8(3), "x-single-active-consumer": true}},
			{Name: "wait \"日本\"", MessageTTL: time.Second, Transient: true, AutoDelete: true, DeadLetter: &broker.DeadLetter{Exchange: "orders", RoutingKey: "orders.late"}},
			{Name: "unrouted"},
		},
		Bindings: []broker.Binding{
			{Exchange: "orders", Queue: "orders", RoutingKey: "orders.#"},
			{Exchange: "amq.topic", Queue: "orders", RoutingKey: "orders.#"},
			{Exchange: "unrouted", Queue: "unrouted"},
			{Exchange: "formats", Queue: "dead", Arguments: processor.Headers{"x-match": "any", "pages": int32(7), "list": []any{int64(1), "1"}, "share": 1.0}},
		},
	})
}

func (m *managed) asPlanned(t *testing.T) {
	w := m.newVhost(t)
	topology := whole(t)
	topology.Owned = []string{"orders.delay"}
	require.NoError(t, w.broker.Declare(within(t), topology))

	report := w.verify(t, topology, verify.Management(m.url))
	require.Equal(t, &verify.Report{}, report)
	require.NoError(t, report.Err())
	require.Equal(t, "all is as planned\n", report.String())

	report = w.verify(t, topology)
	require.Empty(t, report.Findings)
	require.Equal(t, []string{
		"bindings: AMQP does not show them; use Management",
		"policies: AMQP does not show them; use Management",
		`queues left over whose names begin with one of ["orders.delay"]: AMQP does not list queues; use Management`,
	}, report.Unchecked)
	require.NoError(t, report.Err())
}

// Values that only management shows, or shows in another form than a topology.
func (m *managed) oddArguments(t *testing.T) {
	w := m.newVhost(t)
	odd := broker.Topology{Queues: []broker.Queue{{Name: "odd", Arguments: processor.Headers{
		"x-time": time.Unix(1_700_000_000, 0), "x-bytes": []byte("b"), "x-nil": nil, "x-float": 1.0, "x-byte": uint8(1),
		"x-float32": float32(0.5), "x-decimal": processor.Decimal{Scale: 2, Value: 315}, "x-list": []any{int32(1), "a", processor.Headers{"b": 2.5}},
	}}}}
	require.NoError(t, w.broker.Declare(within(t), odd))
	require.Equal(t, &verify.Report{}, w.verify(t, odd, verify.Management(m.url)))

	report := w.verify(t, odd)
	require.Empty(t, report.Findings)
	require.Len(t, report.Unchecked, 8+2)

	for argument, value := range map[string]any{
		"x-time": time.Unix(1_700_000_001, 0), "x-bytes": []byte("c"), "x-nil": "nil", "x-float": int64(1), "x-byte": uint8(2),
		"x-float32": 0.25, "x-decimal": processor.Decimal{Scale: 1, Value: 315}, "x-list": []any{int32(1), "a", processor.Headers{"b": 2}},
	} {
		other := odd.Queues[0]
		other.Arguments = other.Arguments.Clone()
		other.Arguments[argument] = value
		report := w.verify(t, broker.Topology{Queues: []broker.Queue{other}}, verify.Management(m.url))
		require.Len(t, report.Findings, 1)
		require.Contains(t, report.Findings[0].Problem, argument+": planned ")
		require.NotContains(t, report.Findings[0].Problem, ", x-")
	}
}
