package backoff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

// queues are the queues of a topology, by their names.
func queues(t broker.Topology) map[string]broker.Queue {
	all := map[string]broker.Queue{}
	for _, q := range t.Queues {
		all[q.Name] = q
	}
	return all
}

func TestTheTopologyOfASchedule(t *testing.T) {
	t.Parallel()
	work := broker.Queue{Name: "mail", Type: broker.Quorum}
	topology, err := backoff.Topology(work, backoff.Jitter(0), backoff.Park(parked), backoff.Schedule(backoff.List(time.Second, time.Minute)))
	require.NoError(t, err)
	all := queues(topology)
	work.DeadLetter, work.DeliveryLimit = &broker.DeadLetter{RoutingKey: "mail_parked"}, delay.DeliveryLimit
	work.Overflow, work.Arguments = broker.RejectPublish, processor.Headers{"x-dead-letter-strategy": "at-least-once"}
	require.Equal(t, work, all["mail"])
	require.Equal(t, broker.Queue{Name: "mail_parked", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, all["mail_parked"])
	require.Equal(t, broker.HighDeliveryLimit, all["mail.delay.v1.quorum.1s"].DeliveryLimit)
	require.Equal(t, time.Second, all["mail.delay.v1.quorum.1s"].MessageTTL)
	require.Equal(t, time.Minute, all["mail.delay.v1.quorum.1m"].MessageTTL)
	require.Len(t, topology.Queues, 4)
	require.Equal(t, []string{"mail.delay.v1."}, topology.Owned)
}

func TestTheTopologyIsThatOfTheLayer(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]backoff.Option{
		"default": nil,
		"steps":   {backoff.Jitter(0)},
		"classic": {backoff.Strategy(delay.Ladder(delay.Classic()))},
		"policy":  {backoff.Jitter(0), backoff.Policy(backoff.For(errMail), backoff.Schedule(backoff.Fixed(time.Hour)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.New()
			defer func() { require.NoError(t, b.Close(t.Context())) }()
			topology, err := backoff.Topology(broker.Queue{Name: "mail"}, opts...)
			require.NoError(t, err)
			require.NoError(t, b.Declare(t.Context(), topology))
			p, err := stack.New(backoff.New(b.Publisher(), "mail", append(opts, backoff.KeepTrying(0))...)).Then(always(errMail))
			require.NoError(t, err)
			for count := range 9 {
				require.NoError(t, p.Process(t.Context(), newMessage(retries(count))), "each delay is there")
			}
		})
	}
}

func TestAFinalExchangeIsNotDeclared(t *testing.T) {
	t.Parallel()
	topology, err := backoff.Topology(broker.Queue{Name: "mail"}, backoff.Jitter(0), backoff.Schedule(backoff.Fixed(time.Second)),
		backoff.Park(processor.Destination{Exchange: "parking", RoutingKey: "elsewhere"}))
	require.NoError(t, err)
	require.Len(t, topology.Queues, 2)
	require.Empty(t, topology.Exchanges)
}

func TestTheFinalQueueIsOfTheTypeThatTheArgumentsSay(t *testing.T) {
	t.Parallel()
	topology, err := backoff.Topology(broker.Queue{Name: "mail", Arguments: processor.Headers{"x-queue-type": "quorum"}}, backoff.Park(parked))
	require.NoError(t, err)
	require.Equal(t, broker.Queue{Name: "mail_parked", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, queues(topology)["mail_parked"])
}

func TestWorkQueuesThatCannotBeComeBackTo(t *testing.T) {
	t.Parallel()
	const ladder, step = "warren.delay.v1.quorum.100ms.3", "mail.delay.v1.quorum.1s"
	for name, tc := range map[string]struct {
		work broker.Queue
		opts []backoff.Option
		want string // "" is that it works
	}{
		"full, refuses": {broker.Queue{Name: "mail", MaxLength: 5, Overflow: broker.RejectPublish}, nil, "refuses messages when it is full"},
		"full, refuses, by steps": {
			broker.Queue{Name: "mail", MaxLength: 5, Overflow: broker.RejectPublish}, []backoff.Option{backoff.Jitter(0)}, "refuses messages when it is full",
		},
		"full, refuses, by arguments": {
			broker.Queue{Name: "mail", Arguments: processor.Headers{"x-overflow": "reject-publish-dlx", "x-max-length-bytes": 5}}, nil, "refuses messages when it is full",
		},
		"quorum behind classic steps": {
			broker.Queue{Name: "mail", Type: broker.Quorum}, []backoff.Option{backoff.Jitter(0), backoff.Strategy(delay.Steps(delay.Classic()))}, "use quorum delays",
		},
		"quorum behind a classic ladder": {
			broker.Queue{Name: "mail", Arguments: processor.Headers{"x-queue-type": "quorum"}}, []backoff.Option{backoff.Strategy(delay.Ladder(delay.Classic()))}, "use quorum delays",
		},
		"quorum behind nameko's": {
			broker.Queue{Name: "mail", Type: broker.Quorum}, []backoff.Option{backoff.Strategy(delay.Compatible(memory.New()))}, "use quorum delays",
		},
		"classic behind classic": {broker.Queue{Name: "mail", Type: broker.Classic}, []backoff.Option{backoff.Strategy(delay.Ladder(delay.Classic()))}, ""},
		"full, drops":            {broker.Queue{Name: "mail", MaxLength: 5}, nil, ""},
		"refuses, is never full": {
			broker.Queue{Name: "mail", Overflow: broker.RejectPublish}, nil, "",
		},
		"rejects into the ladder":         {broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{Exchange: ladder}}, nil, "which is one of its delays"},
		"rejects into the ladder's queue": {broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: ladder}}, nil, "which is one of its delays"},
		"rejects into a ladder that is not there": {
			broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{Exchange: ladder}}, []backoff.Option{backoff.Jitter(0)}, "",
		},
		"rejects into a step": {
			broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: step}}, []backoff.Option{backoff.Jitter(0)}, "which is one of its delays",
		},
		"rejects into a step of old": {
			broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: step + "7"}}, []backoff.Option{backoff.Jitter(0)}, "which is one of its delays",
		},
		"rejects into a step, by arguments": {
			broker.Queue{Name: "mail", Arguments: processor.Headers{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": step}}, []backoff.Option{backoff.Jitter(0)}, "which is one of its delays",
		},
		"rejects elsewhere": {broker.Queue{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: "mail_parked"}}, []backoff.Option{backoff.Park(parked)}, ""},
		"a limit, and no place": {
			broker.Queue{Name: "mail", Type: broker.Quorum, DeliveryLimit: 5}, nil, "nowhere to put what is over it",
		},
		"a limit, and an exchange of others": {
			broker.Queue{Name: "mail", Type: broker.Quorum, DeliveryLimit: 5},
			[]backoff.Option{backoff.Park(processor.Destination{Exchange: "parking"})}, "nowhere to put what is over it",
		},
		"a limit, and parked": {broker.Queue{Name: "mail", Type: broker.Quorum, DeliveryLimit: 5}, []backoff.Option{backoff.Park(parked)}, ""},
		"dead letters to itself": {
			broker.Queue{Name: "mail", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}}, nil, "lead back to it",
		},
		"no name":            {broker.Queue{}, nil, "the queue's name has 0 bytes"},
		"name of a delay":    {broker.Queue{Name: step}, nil, "delay"},
		"cannot be declared": {broker.Queue{Name: "mail", MaxLength: -1}, nil, "backoff: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topology, err := backoff.Topology(tc.work, tc.opts...)
			if tc.want == "" {
				require.NoError(t, err)
				require.NoError(t, topology.Validate())
				return
			}
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, broker.Topology{}, topology)
		})
	}
}
