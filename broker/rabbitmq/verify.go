package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
)

// VerifyOption changes what [Broker.Verify] looks at.
type VerifyOption func(*verifyOptions)

type verifyOptions struct {
	inPlace  int
	consumed []string
	managed  bool
	urls     []string
}

// Management lets Verify look through RabbitMQ's management, a plugin, too: the only way
// to see bindings, policies and queues that are not in the plan. A URL is that of the
// web interface, with the name and password of a user who has the tag management:
//
//	https://user:password@rabbit-1.example.com:15671
//
// Without credentials they are guest's. Several URLs are tried in turn until one answers
// all questions. The vhost is that of the broker's own connection. A proxy is taken from
// the environment, certificates from the system; a redirect is not followed. Each URL has
// 30 s, and an answer 64 MiB. A policy is seen some seconds after it was set. Default: no
// management; AMQP alone.
func Management(urls ...string) VerifyOption {
	return func(o *verifyOptions) { o.managed, o.urls = true, append(o.urls, urls...) }
}

// InPlace says how often a message may go back to its queue before the consumer's stack
// gives it up: a quorum queue whose delivery limit is less gives it up first. Queues are
// those that are consumed so; none is all that are not delays. Default, also for 0: unknown.
func InPlace(n int, queues ...string) VerifyOption {
	return func(o *verifyOptions) { o.inPlace, o.consumed = n, queues }
}

// Verify compares what is in the broker with t. It is for the start of a service, after
// [Broker.Declare] and before it consumes, or for a command of its own; t is then all that
// the service declares, merged ([broker.Topology.Merge]). Nothing is created,
// changed or deleted, whoever uses the broker at the same time. (A queue that expires when
// it is unused counts as used now.)
//
// The error says why it could not look; what it sees is in the report: see [FindingKind].
// Queues that are exclusive belong to one connection and are not checked.
//
// # What AMQP shows
//
// Without [Management], Verify asks for what exists, and for differences: it declares each
// exchange and queue with one argument of a type that the broker never takes. The broker
// compares with what is there before it would create, and a declaration like that creates
// nothing even if the queue has just been deleted. It has to be RabbitMQ from 3.10 on and
// the user may have to configure. Each difference, and each exchange, is an error in the
// broker's log. What cannot be seen so is in [Report].Unchecked.
func (b *Broker) Verify(ctx context.Context, t broker.Topology, opts ...VerifyOption) (*Report, error) {
	var o verifyOptions
	if err := option.Apply("rabbitmq: verify", &o, opts); err != nil {
		return nil, err
	}
	if o.inPlace < 0 {
		return nil, fmt.Errorf("rabbitmq: verify: InPlace is %d: it must be 0 (unknown) or more", o.inPlace)
	}
	nodes, err := o.nodes()
	if err = errors.Join(err, t.Validate()); err != nil {
		return nil, err
	}
	v, err := newVerification(ctx, b, t, o, nodes)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: verify: %w", err)
	}
	for _, look := range []func(context.Context) error{
		v.unsupported, v.exchanges, v.queues, v.bindings, v.deadLetters, v.alternates, v.targets, v.limits, v.loops, v.policies, v.lost, v.leftovers,
	} {
		if err := look(ctx); err != nil {
			return nil, fmt.Errorf("rabbitmq: verify: %w", err)
		}
	}
	return v.report, nil
}

// verification is one run of Verify.
type verification struct {
	broker  *Broker
	server  server
	options verifyOptions
	all     broker.Topology // as given
	plan    broker.Topology // what is looked at
	managed *definitions    // nil without management
	report  *Report

	queuesSeen    map[string]seen
	exchangesSeen map[string]seen
}

func newVerification(ctx context.Context, b *Broker, t broker.Topology, o verifyOptions, nodes []managementNode) (*verification, error) {
	if b.life.Err() != nil {
		return nil, errClosed
	}
	session, err := b.consuming.Session(ctx)
	if err != nil {
		return nil, closedOr(err)
	}
	v := &verification{
		broker: b, server: serverOf(session.ServerProperties()), options: o,
		all: t, plan: shared(broker.Topology{}.Merge(t)), report: &Report{},
		queuesSeen: map[string]seen{}, exchangesSeen: map[string]seen{},
	}
	if o.managed {
		v.managed, err = definitionsFrom(ctx, nodes, session.Vhost(), v.server.cluster)
	}
	for _, q := range t.Queues {
		if q.Exclusive {
			v.uncheckedf("queue %q, with its bindings: it is exclusive, and belongs to one connection", q.Name)
		}
	}
	return v, err
}

// find notes each finding once.
func (v *verification) find(f Finding) {
	f.Severity = cmp.Or(f.Severity, Fault)
	if !slices.Contains(v.report.Findings, f) {
		v.report.Findings = append(v.report.Findings, f)
	}
}

// uncheckedf says each thing once.
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
