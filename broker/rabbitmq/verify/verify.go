package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Topology compares the broker with t, which is all that the service declares, merged
// ([broker.Topology.Merge]). It creates, changes and deletes nothing, whatever other clients do at
// the same time. (A queue that expires when unused counts as used now.)
//
// The error says why it could not look; what it found is in the report: see [Kind]. Exclusive
// queues belong to one connection and are not checked.
//
// # What AMQP shows
//
// Without [Management], Topology asks what exists and how it differs: it declares each exchange and
// queue with one argument of a type that the broker never accepts. The broker compares with what
// exists before it would create, and such a declaration creates nothing even if the queue has just
// been deleted. This needs RabbitMQ 3.10 or later, and a user with the configure permission. Each
// difference, and each exchange, is an error in the broker's log. What cannot be seen like this is
// in [Report].Unchecked.
func Topology(ctx context.Context, b *rabbitmq.Broker, t broker.Topology, opts ...Option) (*Report, error) {
	var o options
	if err := option.Apply("verify", &o, opts); err != nil {
		return nil, err
	}
	if o.inPlace < 0 {
		return nil, fmt.Errorf("verify: InPlace is %d: it must be 0 (unknown) or more", o.inPlace)
	}
	nodes, err := o.nodes()
	if err = errors.Join(err, t.Validate()); err != nil {
		return nil, err
	}
	v, err := newVerification(ctx, b, t, o, nodes)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	for _, look := range []func(context.Context) error{
		v.unsupported, v.exchanges, v.queues, v.bindings, v.deadLetters, v.alternates, v.targets, v.limits, v.loops, v.policies, v.lost, v.leftovers,
	} {
		if err := look(ctx); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	return v.report, nil
}

// verification is one run of [Topology].
type verification struct {
	broker  *rabbitmq.Broker
	server  version.Server
	options options
	all     broker.Topology // as passed
	plan    broker.Topology // what is checked
	managed *definitions    // nil without management
	report  *Report

	queuesSeen    map[string]seen
	exchangesSeen map[string]seen
}

func newVerification(ctx context.Context, b *rabbitmq.Broker, t broker.Topology, o options, nodes []managementNode) (*verification, error) {
	session, err := b.Consuming().Session(ctx)
	if errors.Is(err, failover.ErrClosed) {
		err = fmt.Errorf("the broker is %w: %w", processor.ErrClosed, err)
	}
	if err != nil {
		return nil, err
	}
	v := &verification{
		broker: b, server: version.Of(session.ServerProperties()), options: o,
		all: t, plan: shared(broker.Topology{}.Merge(t)), report: &Report{},
		queuesSeen: map[string]seen{}, exchangesSeen: map[string]seen{},
	}
	if o.managed {
		v.managed, err = definitionsFrom(ctx, nodes, session.Vhost(), v.server.Cluster)
	}
	for _, q := range t.Queues {
		if q.Exclusive {
			v.uncheckedf("queue %q, with its bindings: it is exclusive, and belongs to one connection", q.Name)
		}
	}
	return v, err
}

// shared is t without the exclusive queues and their bindings.
func shared(t broker.Topology) broker.Topology {
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		exclusive[q.Name] = q.Exclusive
	}
	return broker.Topology{
		Exchanges: t.Exchanges,
		Queues:    slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return q.Exclusive }),
		Bindings:  slices.DeleteFunc(slices.Clone(t.Bindings), func(b broker.Binding) bool { return exclusive[b.Queue] }),
	}
}

// find notes each finding once.
func (v *verification) find(f Finding) {
	f.Severity = cmp.Or(f.Severity, Fault)
	if !slices.Contains(v.report.Findings, f) {
		v.report.Findings = append(v.report.Findings, f)
	}
}

// uncheckedf notes each unchecked thing once.
func (v *verification) uncheckedf(format string, values ...any) {
	if text := fmt.Sprintf(format, values...); !slices.Contains(v.report.Unchecked, text) {
		v.report.Unchecked = append(v.report.Unchecked, text)
	}
}

func plannedExchange(t broker.Topology, name string) (broker.Exchange, bool) {
	i := slices.IndexFunc(t.Exchanges, func(x broker.Exchange) bool { return x.Name == name })
	if i < 0 {
		return broker.Exchange{Name: name}, false
	}
	return t.Exchanges[i], true
}

func plannedQueue(t broker.Topology, name string) (broker.Queue, bool) {
	i := slices.IndexFunc(t.Queues, func(q broker.Queue) bool { return q.Name == name })
	if i < 0 {
		return broker.Queue{Name: name}, false
	}
	return t.Queues[i], true
}
