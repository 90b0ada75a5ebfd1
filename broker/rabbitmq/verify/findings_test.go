package verify_test

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/processor"
)

func exchanges(list ...broker.Exchange) broker.Topology { return broker.Topology{Exchanges: list} }

func queues(list ...broker.Queue) broker.Topology { return broker.Topology{Queues: list} }

func bound(list ...broker.Binding) broker.Topology { return broker.Topology{Bindings: list} }

// fault is a finding that AMQP shows as well.
func fault(kind verify.Kind, exchange, queue, problem string) verify.Finding {
	return verify.Finding{Kind: kind, Severity: verify.Fault, Exchange: exchange, Queue: queue, Problem: problem}
}

func notice(kind verify.Kind, queue, problem string) verify.Finding {
	return verify.Finding{Kind: kind, Severity: verify.Notice, Queue: queue, Problem: problem}
}

// delayTo is a queue whose messages go on after a while.
func delayTo(name, exchange, key string) broker.Queue {
	return broker.Queue{Name: name, MessageTTL: time.Hour, DeadLetter: &broker.DeadLetter{Exchange: exchange, RoutingKey: key}}
}

// atLeastOnce makes a delay keep messages that its target refuses.
func atLeastOnce(q broker.Queue) broker.Queue {
	q.Type, q.Overflow, q.Arguments = broker.Quorum, broker.RejectPublish, processor.Headers{"x-dead-letter-strategy": "at-least-once"}
	return q
}

func (m *managed) findings(t *testing.T) {
	work := broker.Exchange{Name: "work", Kind: broker.Direct}
	fullOfBytes := broker.Queue{Name: "full", Overflow: broker.RejectPublish, Arguments: processor.Headers{"x-max-length-bytes": 5}}
	full := broker.Queue{Name: "full", MaxLength: 5, Overflow: broker.RejectPublish}
	for name, tc := range map[string]struct {
		live, plan broker.Topology
		prepare    func(*testing.T, *amqp.Channel)
		opts       []verify.Option
		want       []verify.Finding // in order
		unseen     string           // why AMQP does not show them; it shows them if this is empty
	}{
		"what is missing": {
			live: queues(broker.Queue{Name: "there"}),
			plan: exchanges(work).Merge(queues(broker.Queue{Name: "q"}, broker.Queue{Name: "there"})).Merge(bound(
				broker.Binding{Exchange: "work", Queue: "there"}, broker.Binding{Exchange: "amq.fanout", Queue: "q"},
				broker.Binding{Exchange: "other", Queue: "theirs"})),
			want: []verify.Finding{
				fault(verify.MissingExchange, "work", "", "it does not exist"),
				fault(verify.MissingExchange, "other", "", "it does not exist and is not planned"),
				fault(verify.MissingQueue, "", "q", "it does not exist"),
				fault(verify.MissingQueue, "", "theirs", "it does not exist and is not planned"),
			},
		},
		"a binding is missing": {
			live: exchanges(work, broker.Exchange{Name: "formats", Kind: broker.HeadersKind}).Merge(queues(broker.Queue{Name: "q"})).Merge(bound(
				broker.Binding{Exchange: "work", Queue: "q", RoutingKey: "k"},
				broker.Binding{Exchange: "formats", Queue: "q", Arguments: processor.Headers{"pages": 8}})),
			plan: exchanges(work).Merge(queues(broker.Queue{Name: "q"})).Merge(bound(
				broker.Binding{Exchange: "work", Queue: "q", RoutingKey: "k"},
				broker.Binding{Exchange: "work", Queue: "q", RoutingKey: "l"},
				broker.Binding{Exchange: "formats", Queue: "q", Arguments: processor.Headers{"pages": 7}})),
			want: []verify.Finding{
				fault(verify.MissingBinding, "work", "q", `it does not exist: key "l"`),
				fault(verify.MissingBinding, "formats", "q", `it does not exist: key "", arguments map[pages:7]`),
			},
			unseen: "bindings: AMQP does not show them",
		},
		"a binding too many": {
			live: exchanges(work).Merge(queues(broker.Queue{Name: "q"}, broker.Queue{Name: "theirs"})).Merge(bound(
				broker.Binding{Exchange: "work", Queue: "q", RoutingKey: "k"}, broker.Binding{Exchange: "work", Queue: "q", RoutingKey: "old"},
				broker.Binding{Exchange: "work", Queue: "theirs", RoutingKey: "k"}, broker.Binding{Exchange: "amq.topic", Queue: "q", RoutingKey: "#"})),
			plan:   exchanges(work).Merge(queues(broker.Queue{Name: "q"})).Merge(bound(broker.Binding{Exchange: "work", Queue: "q", RoutingKey: "k"})),
			want:   []verify.Finding{fault(verify.ExtraBinding, "work", "q", `it is not planned: key "old"`)},
			unseen: "bindings: AMQP does not show them",
		},
		"an exchange with other arguments": {
			live: exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "amq.fanout"}),
			plan: exchanges(broker.Exchange{Name: "x", Kind: broker.Fanout, Transient: true, AutoDelete: true, Internal: true}),
			want: []verify.Finding{fault(verify.DifferentExchange, "x", "", `alternate-exchange: planned none, live "amq.fanout", `+
				`auto_delete: planned true, live false, durable: planned false, live true, internal: planned true, live false, `+
				`type: planned "fanout", live "topic"`)},
		},
		"an exchange with another alternate": {
			live: exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "amq.fanout"}, broker.Exchange{Name: "y", Kind: broker.Topic}),
			plan: exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "amq.match"}, broker.Exchange{Name: "y", Kind: broker.Topic, Alternate: "amq.match"}),
			want: []verify.Finding{
				fault(verify.DifferentExchange, "x", "", `alternate-exchange: planned "amq.match", live "amq.fanout"`),
				fault(verify.DifferentExchange, "y", "", `alternate-exchange: planned "amq.match", live none`),
			},
		},
		"a queue with other arguments": {
			live: queues(broker.Queue{
				Name: "q", Type: broker.Classic, MessageTTL: time.Minute, MaxLength: 7, DeadLetter: &broker.DeadLetter{Exchange: "amq.direct"},
				Arguments: processor.Headers{"x-single-active-consumer": true},
			}),
			plan: queues(broker.Queue{
				Name: "q", Transient: true, MessageTTL: time.Second, Overflow: broker.DropHead, DeadLetter: &broker.DeadLetter{RoutingKey: "q"},
				Arguments: processor.Headers{"x-max-priority": 3},
			}),
			want: []verify.Finding{fault(verify.DifferentQueue, "", "q", `durable: planned false, live true, `+
				`x-dead-letter-exchange: planned "", live "amq.direct", x-dead-letter-routing-key: planned "q", live none, `+
				`x-max-length: planned none, live 7, x-max-priority: planned 3, live none, `+
				`x-message-ttl: planned 1000 (1s), live 60000 (1m0s), x-overflow: planned "drop-head", live none, `+
				`x-single-active-consumer: planned none, live true`)},
		},
		"a queue of another type": {
			live: queues(broker.Queue{Name: "a", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, broker.Queue{Name: "b", Type: broker.Classic}, broker.Queue{Name: "c"}),
			plan: queues(broker.Queue{Name: "a"}, broker.Queue{Name: "b", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "b"}}, broker.Queue{Name: "c", Type: broker.Classic}),
			want: []verify.Finding{
				fault(verify.DifferentQueue, "", "a", `x-delivery-limit: planned none, live 2147483647, x-queue-type: planned none, live "quorum"`),
				fault(verify.DifferentQueue, "", "b", `x-dead-letter-exchange: planned "", live none, x-dead-letter-routing-key: planned "b", live none, x-queue-type: planned "quorum", live "classic"`),
			},
		},
		"dead letters to an exchange and a queue that are missing": {
			live: queues(broker.Queue{Name: "a", DeadLetter: &broker.DeadLetter{Exchange: "dead"}}, broker.Queue{Name: "b", DeadLetter: &broker.DeadLetter{RoutingKey: "parked"}}),
			plan: queues(broker.Queue{Name: "a", DeadLetter: &broker.DeadLetter{Exchange: "dead"}}, broker.Queue{Name: "b", DeadLetter: &broker.DeadLetter{RoutingKey: "parked"}}),
			want: []verify.Finding{
				fault(verify.MissingDeadLetter, "", "a", `its dead letters go to exchange "dead", which does not exist`),
				fault(verify.MissingDeadLetter, "", "b", `its dead letters go to queue "parked", which does not exist`),
			},
		},
		"dead letters that nothing takes": {
			live: exchanges(work, broker.Exchange{Name: "empty", Kind: broker.Fanout}).Merge(queues(
				broker.Queue{Name: "a", DeadLetter: &broker.DeadLetter{Exchange: "work", RoutingKey: "k"}},
				broker.Queue{Name: "b", DeadLetter: &broker.DeadLetter{Exchange: "empty"}})).Merge(bound(broker.Binding{Exchange: "work", Queue: "a", RoutingKey: "l"})),
			plan: exchanges(work).Merge(queues(
				broker.Queue{Name: "a", DeadLetter: &broker.DeadLetter{Exchange: "work", RoutingKey: "k"}},
				broker.Queue{Name: "b", DeadLetter: &broker.DeadLetter{Exchange: "empty"}})).Merge(bound(broker.Binding{Exchange: "work", Queue: "a", RoutingKey: "l"})),
			want: []verify.Finding{
				fault(verify.UnroutedDeadLetter, "", "a", `its dead letters go to exchange "work", which has no queue for them with key "k"`),
				fault(verify.UnroutedDeadLetter, "", "b", `its dead letters go to exchange "empty", which has no queue for them`),
			},
			unseen: `whether exchange "empty" has a queue for the dead letters of queue "b"`,
		},
		"dead letters that something takes": {
			live: exchanges(work, broker.Exchange{Name: "forwards", Kind: broker.Fanout}, broker.Exchange{Name: "relieved", Kind: broker.Fanout, Alternate: "work"}).Merge(queues(
				broker.Queue{Name: "a", DeadLetter: &broker.DeadLetter{Exchange: "work"}},
				broker.Queue{Name: "b", DeadLetter: &broker.DeadLetter{Exchange: "forwards"}},
				broker.Queue{Name: "d", DeadLetter: &broker.DeadLetter{Exchange: "amq.fanout", RoutingKey: "k"}},
				broker.Queue{Name: "c", DeadLetter: &broker.DeadLetter{Exchange: "relieved"}})).Merge(bound(
				broker.Binding{Exchange: "work", Queue: "a", RoutingKey: "l"}, broker.Binding{Exchange: "amq.fanout", Queue: "a", RoutingKey: "l"})),
			prepare: func(t *testing.T, ch *amqp.Channel) {
				t.Helper()
				require.NoError(t, ch.ExchangeBind("work", "", "forwards", false, nil))
			},
			plan: queues(
				broker.Queue{Name: "a", DeadLetter: &broker.DeadLetter{Exchange: "work"}},
				broker.Queue{Name: "b", DeadLetter: &broker.DeadLetter{Exchange: "forwards"}},
				broker.Queue{Name: "c", DeadLetter: &broker.DeadLetter{Exchange: "relieved"}},
				broker.Queue{Name: "d", DeadLetter: &broker.DeadLetter{Exchange: "amq.fanout", RoutingKey: "k"}}),
		},
		"an alternate exchange is missing": {
			live: exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "nowhere"}, broker.Exchange{Name: "y", Kind: broker.Topic, Alternate: "amq.fanout"}),
			plan: exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, Alternate: "nowhere"}, broker.Exchange{Name: "y", Kind: broker.Topic, Alternate: "amq.fanout"}),
			want: []verify.Finding{fault(verify.MissingAlternate, "x", "", `what it cannot route goes to exchange "nowhere", which does not exist`)},
		},
		"a delay to a queue that rejects": {
			live: exchanges(work).Merge(queues(full, broker.Queue{Name: "fine", Overflow: broker.RejectPublish},
				delayTo("a", "", "full"), delayTo("b", "", "fine"))),
			plan: queues(delayTo("a", "", "full"), delayTo("b", "", "fine")),
			want: []verify.Finding{fault(verify.RejectingTarget, "", "full", "delays hand on to it, and it refuses when it is full: they drop what it refuses")},
		},
		"an at-least-once delay to a queue that rejects": {
			live: exchanges(work).Merge(queues(fullOfBytes, atLeastOnce(delayTo("a", "work", "")))).Merge(bound(broker.Binding{Exchange: "work", Queue: "full", RoutingKey: "full"})),
			plan: exchanges(work).Merge(queues(atLeastOnce(delayTo("a", "work", "")))).Merge(bound(broker.Binding{Exchange: "work", Queue: "full", RoutingKey: "full"})),
			want: []verify.Finding{fault(verify.RejectingTarget, "", "full", "delays hand on to it, and it refuses when it is full: that holds up all that waits in them")},
		},
		"a delay to a delay with a bound": {
			live: queues(atLeastOnce(delayTo("a", "", "b")), bounded(atLeastOnce(delayTo("b", "", "c"))), delayTo("d", "", "e"), bounded(atLeastOnce(delayTo("e", "", "c"))), broker.Queue{Name: "c"}),
			plan: queues(atLeastOnce(delayTo("a", "", "b")), bounded(atLeastOnce(delayTo("b", "", "c"))), delayTo("d", "", "e"), bounded(atLeastOnce(delayTo("e", "", "c")))),
			want: []verify.Finding{
				notice(verify.RejectingTarget, "b", "delays hand on to it, and it refuses when it is full: that holds up all that waits in them"),
				fault(verify.RejectingTarget, "", "e", "delays hand on to it, and it refuses when it is full: they drop what it refuses"),
			},
		},
		"dead letters that come back": {
			live: looping(), plan: looping(),
			want: []verify.Finding{fault(verify.DeadLetterLoop, "", "mail", `its dead letters lead back to it, mail (delivery limit 5) -> wait (TTL 1h0m0s) -> mail: `+
				`what it gives up at its delivery limit is dropped as a cycle, or held for ever; what is rejected goes round`)},
		},
		"dead letters that come back past what is not planned": {
			live: looping(), plan: queues(looping().Queues[0]),
			want: []verify.Finding{fault(verify.DeadLetterLoop, "", "mail", `its dead letters lead back to it, mail (delivery limit 5) -> wait (TTL 1h0m0s) -> mail: `+
				`what it gives up at its delivery limit is dropped as a cycle, or held for ever; what is rejected goes round`)},
			unseen: "bindings: AMQP does not show them",
		},
		"dead letters that come back when they were rejected": {
			live: queues(broker.Queue{Name: "mail", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit, DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}}, delayTo("wait", "", "mail")),
			plan: queues(broker.Queue{Name: "mail", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit, DeadLetter: &broker.DeadLetter{RoutingKey: "wait"}}, delayTo("wait", "", "mail")),
		},
		"delivery limits": {
			live: limited(), plan: limited(), opts: []verify.Option{verify.InPlace(6)},
			want: []verify.Finding{
				fault(verify.DeliveryLimit, "", "dropped", "its delivery limit is 5, and messages may go back to it 6 times; it then drops them"),
				fault(verify.DeliveryLimit, "", "parked", "its delivery limit is 5, and messages may go back to it 6 times"),
			},
		},
		"delivery limits of what is consumed": {
			live: limited(), plan: limited(), opts: []verify.Option{verify.InPlace(6, "parked", "unlimited")},
			want: []verify.Finding{
				fault(verify.DeliveryLimit, "", "dropped", "its delivery limit is 5; it then drops them"),
				fault(verify.DeliveryLimit, "", "parked", "its delivery limit is 5, and messages may go back to it 6 times"),
			},
		},
		"delivery limits that are enough": {
			live: limited(), plan: limited(), opts: []verify.Option{verify.InPlace(5)},
			want: []verify.Finding{fault(verify.DeliveryLimit, "", "dropped", "its delivery limit is 5; it then drops them")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := m.newVhost(t)
			require.NoError(t, w.broker.Declare(within(t), tc.live))
			if tc.prepare != nil {
				tc.prepare(t, w.raw)
			}
			report := w.verify(t, tc.plan, append(tc.opts, verify.Management(m.url))...)
			require.Equal(t, tc.want, bare(t, report))
			require.Empty(t, report.Unchecked)
			holds(t, report)

			report = w.verify(t, tc.plan, tc.opts...)
			if tc.unseen == "" {
				require.Equal(t, tc.want, bare(t, report))
				return
			}
			require.Empty(t, report.Findings)
			require.Contains(t, strings.Join(report.Unchecked, "\n"), tc.unseen)
		})
	}
}

func looping() broker.Topology {
	return queues(broker.Queue{Name: "mail", Type: broker.Quorum, DeliveryLimit: 5, DeadLetter: &broker.DeadLetter{Exchange: "amq.fanout"}}, delayTo("wait", "", "mail")).
		Merge(bound(broker.Binding{Exchange: "amq.fanout", Queue: "wait"}))
}

func bounded(q broker.Queue) broker.Queue { q.MaxLength = 5; return q }

func limited() broker.Topology {
	five := processor.Headers{"x-delivery-limit": 5}
	return queues(
		broker.Queue{Name: "dropped", Type: broker.Quorum, Arguments: five},
		broker.Queue{Name: "parked", Type: broker.Quorum, Arguments: five, DeadLetter: &broker.DeadLetter{RoutingKey: "dropped"}},
		broker.Queue{Name: "unlimited", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
		broker.Queue{Name: "delay", Type: broker.Quorum, Arguments: five, MessageTTL: time.Second, DeadLetter: &broker.DeadLetter{RoutingKey: "dropped"}},
	)
}

// bare are the findings without their Change, which none may lack.
func bare(t *testing.T, r *verify.Report) []verify.Finding {
	t.Helper()
	var list []verify.Finding
	for _, f := range r.Findings {
		require.NotEmpty(t, f.Change)
		f.Change = ""
		list = append(list, f)
	}
	return list
}

// holds checks that a report's text and error contain its findings.
func holds(t *testing.T, r *verify.Report) {
	t.Helper()
	faults := 0
	for _, f := range r.Findings {
		require.Contains(t, r.String(), string(f.Severity)+": "+f.String()+"\n")
		require.Contains(t, f.String(), f.Problem+"; "+f.Change)
		if f.Severity == verify.Notice {
			continue
		}
		faults++
		require.ErrorIs(t, r.Err(), verify.ErrNotAsPlanned)
		require.ErrorContains(t, r.Err(), f.String())
	}
	if faults == 0 {
		require.NoError(t, r.Err())
		return
	}
	require.Len(t, strings.Split(r.Err().Error(), "\n"), faults)
}
