package replay_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

// lose delays a message on a ladder for a work queue that is gone at the end of the delay,
// and returns the lost queue with the message.
func lose(t *testing.T, b *memory.Broker) (lost string) {
	t.Helper()
	opts := []backoff.Option{backoff.Strategy(delay.Ladder()), backoff.Schedule(backoff.Fixed(1500 * time.Millisecond)), backoff.Jitter(0)}
	topology, err := backoff.Topology(broker.Queue{Name: "mail"}, opts...)
	require.NoError(t, err)
	topology.Queues = slices.DeleteFunc(topology.Queues, func(q broker.Queue) bool { return q.Name == "mail" })
	topology.Bindings = slices.DeleteFunc(topology.Bindings, func(b broker.Binding) bool { return b.Queue == "mail" })
	require.NoError(t, b.Declare(t.Context(), topology))
	for _, q := range topology.Queues {
		if strings.HasSuffix(q.Name, ".lost") {
			lost = q.Name
		}
	}
	p, err := stack.New(backoff.New(b.Publisher(), "mail", opts...)).
		ThenFunc(func(context.Context, processor.Message) error { return errors.New("mail server says no") })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage(
		processortest.Origin(processor.Origin{Queue: "mail", Exchange: "mail", RoutingKey: "mail"}),
		processortest.Header("app", int32(7)))))
	time.Sleep(2 * time.Second)
	require.Equal(t, 1, ready(t, b, lost))
	return lost
}

func TestWhatALadderCouldNotDeliverGoesBack(t *testing.T) {
	t.Parallel()
	to := replay.To(processor.Destination{RoutingKey: "mail"})
	origin := processor.Headers{
		"app": int32(7), "warren-backoffs": int64(1),
		"warren-original-exchange": "mail", "warren-original-routing-key": "mail", "warren-first-failed-at": "2000-01-01T00:00:00.000Z",
		"warren-original-queue": "mail",
	}
	anew := processor.Headers{
		"app": int32(7), "warren-original-exchange": "mail", "warren-original-routing-key": "mail", "warren-original-queue": "mail",
	}
	for name, tc := range map[string]struct {
		route replay.Route
		opts  []replay.Option
		want  processor.Headers
	}{
		"to its work queue":              {to, nil, anew},
		"to where it came from":          {fromMail, nil, processor.Headers{"app": int32(7)}},
		"as if nothing had happened":     {to, []replay.Option{replay.KeepAttempts()}, origin},
		"to the queue that its key says": {replay.ToKey("mail"), []replay.Option{replay.KeepAttempts()}, origin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
				lost := lose(t, b)
				require.NoError(t, b.Declare(t.Context(), topology()))
				var why replay.Failure
				counts, err := replay.Run(t.Context(), b, lost, tc.route, append(tc.opts, replay.OnEvent(func(e replay.Event) {
					require.Equal(t, "mail", e.Message.Origin().RoutingKey)
					require.Contains(t, e.Message.Headers(), "warren-delay-0", "it has been through the ladder")
					why = replay.FailureOf(e.Message)
				}))...)
				require.NoError(t, err)
				require.Equal(t, replay.Counts{Total: 1, Seen: 1, Moved: 1}, counts)
				require.Equal(t, replay.Failure{First: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}, why, "it was not given up")
				require.Equal(t, tc.want, drain(t, b, "mail", 1)[0].Headers())
				require.Zero(t, ready(t, b, lost))
			})
		})
	}
}

// A lost queue has messages of all services.
func TestAKeyLeadsToItsOwnQueueIfThatIsAllowed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		allowed []string
		left    int
	}{
		"all": {[]string{"sms", "mail"}, 0}, "some": {[]string{"mail"}, 1}, "another": {[]string{"mai", "mail2", ""}, 2}, "none": {nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := memory.New()
			t.Cleanup(func() { _ = b.Close(context.Background()) })
			require.NoError(t, b.Declare(t.Context(), broker.Topology{
				Exchanges: []broker.Exchange{{Name: "lost", Kind: broker.Fanout}},
				Queues:    []broker.Queue{{Name: "lost"}, {Name: "mail"}, {Name: "sms"}},
				Bindings:  []broker.Binding{{Exchange: "lost", Queue: "lost"}},
			}))
			for _, key := range []string{"mail", "sms"} {
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{Exchange: "lost", RoutingKey: key}, processor.Envelope{Body: []byte(key)}))
			}
			allowed := slices.Clone(tc.allowed)
			route := replay.ToKey(allowed...)
			clear(allowed) // the caller may change the slice
			counts, err := replay.Run(t.Context(), b, "lost", route, replay.OnEvent(func(e replay.Event) {
				if e.Outcome == replay.Left {
					require.ErrorIs(t, e.Err, replay.ErrNotAllowed)
					require.ErrorContains(t, e.Err, "queue \""+e.Message.Origin().RoutingKey+"\"")
				}
			}))
			require.NoError(t, err)
			require.Equal(t, replay.Counts{Total: 2, Seen: 2, Moved: 2 - tc.left, Left: tc.left}, counts)
			require.Equal(t, tc.left, ready(t, b, "lost"))
			for _, queue := range []string{"mail", "sms"} {
				if slices.Contains(tc.allowed, queue) {
					require.Equal(t, queue, string(drain(t, b, queue, 1)[0].Body()))
				}
				require.Zero(t, ready(t, b, queue))
			}
		})
	}
}
