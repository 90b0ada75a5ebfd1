package needs_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/xdeath"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

var errBusy = errors.New("busy")

var sink = processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })

// publisher is that of a broker to which nothing is published.
var publisher = memory.New().Publisher()

func pipeline(t *testing.T, layers ...processor.Middleware) processor.Processor {
	t.Helper()
	p, err := stack.New(layers...).Then(sink)
	require.NoError(t, err)
	return p
}

// kind is a quorum queue with settings.
func quorum(name string) broker.Queue { return broker.Queue{Name: name, Type: broker.Quorum} }

func queueOf(t *testing.T, topology broker.Topology, name string) broker.Queue {
	t.Helper()
	for _, q := range topology.Queues {
		if q.Name == name {
			return q
		}
	}
	require.Fail(t, "no queue "+name, "%v", topology.Queues)
	return broker.Queue{}
}

// What the options say once is what the package functions say with the same options.
func TestAStackNeedsWhatItsLayerNeeds(t *testing.T) {
	t.Parallel()
	const key = "mail_retry_%delay%"
	retries := []retry.Option{retry.Delays(time.Second, time.Minute), retry.ParkKey("mail_parked")}
	backoffs := []backoff.Option{backoff.Park(processor.Destination{RoutingKey: "mail_parked"})}
	waits := []redelivery.Option{redelivery.Retries(3)}
	for name, tc := range map[string]struct {
		layer processor.Middleware
		want  func(work broker.Queue) (broker.Topology, error)
	}{
		"retry": {
			retry.New(publisher, key, retries...),
			func(work broker.Queue) (broker.Topology, error) { return retry.Topology(work, key, retries...) },
		},
		"backoff": {
			backoff.New(publisher, "mail", backoffs...),
			func(work broker.Queue) (broker.Topology, error) { return backoff.Topology(work, backoffs...) },
		},
		"redelivery": {
			redelivery.New(publisher, "mail_parked", waits...),
			func(work broker.Queue) (broker.Topology, error) {
				return redelivery.Topology(work, "mail_parked", waits...)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := tc.want(quorum("mail"))
			require.NoError(t, err)
			p := pipeline(t, ack.New(), tc.layer, recovery.New())
			got, err := needs.Of(quorum("mail"), p)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.NoError(t, needs.Drops(got.Queues[0], p))

			again, err := needs.Of(got.Queues[0], p)
			require.NoError(t, err, "what is declared can be asked for again")
			require.Equal(t, want, again)
		})
	}
}

func TestAStackWithoutNeedsHasItsWorkQueue(t *testing.T) {
	t.Parallel()
	got, err := needs.Of(quorum("mail"), pipeline(t, ack.New()))
	require.NoError(t, err)
	require.Equal(t, broker.Topology{Queues: []broker.Queue{quorum("mail")}}, got)
	_, err = needs.Of(broker.Queue{}, pipeline(t, ack.New()))
	require.ErrorIs(t, err, broker.ErrTopology)
	_, err = needs.Of(quorum("mail"), nil)
	require.ErrorContains(t, err, "the processor is nil")
}

// Retry for busy servers, and backoff for the rest: whichever is outside, the work queue parks.
func TestTwoLayersThatRetry(t *testing.T) {
	t.Parallel()
	busy := func(opts ...retry.Option) processor.Middleware {
		return retry.New(publisher, "busy_%delay%", append(opts, retry.Counter("busy"), retry.Delays(time.Second),
			retry.If(func(err error) bool { return errors.Is(err, errBusy) }))...)
	}
	rest := backoff.New(publisher, "mail", backoff.Jitter(0), backoff.Park(processor.Destination{RoutingKey: "mail_parked"}))
	for name, p := range map[string]processor.Processor{
		"retry outside":  pipeline(t, ack.New(), busy(), rest, recovery.New()),
		"retry inside":   pipeline(t, ack.New(), rest, busy(), recovery.New()),
		"retry twice":    pipeline(t, ack.New(), retry.New(publisher, "r_%attempt%", retry.Delays(time.Second), retry.ParkKey("mail_parked")), busy(), recovery.New()),
		"both have one":  pipeline(t, ack.New(), rest, busy(retry.ParkKey("mail_parked")), recovery.New()),
		"with two queue": pipeline(t, ack.New(), rest, busy(retry.ParkKey("busy_parked")), recovery.New()),
		"by hand":        ack.New()(rest(busy()(recovery.New()(sink)))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := needs.Of(quorum("mail"), p)
			require.NoError(t, err)
			require.Equal(t, &broker.DeadLetter{RoutingKey: "mail_parked"}, got.Queues[0].DeadLetter)
			require.Equal(t, delay.DeliveryLimit, got.Queues[0].DeliveryLimit)
			require.Equal(t, time.Second, queueOf(t, got, "busy_1s").MessageTTL)
			queueOf(t, got, "mail_parked")
			require.NoError(t, memory.New().Declare(t.Context(), got))
			require.NoError(t, needs.Drops(got.Queues[0], p))
		})
	}
}

// What is declared is enough: a message is busy once, then fails in another way until it is parked.
func TestTwoLayersThatRetryOnABroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		tries := 0
		p, err := stack.New(
			ack.New(),
			backoff.New(b.Publisher(), "mail", backoff.Jitter(0), backoff.Retries(2), backoff.Schedule(backoff.Fixed(time.Second)),
				backoff.Park(processor.Destination{RoutingKey: "mail_parked"}), backoff.Logger(silent())),
			retry.New(b.Publisher(), "busy_%delay%", retry.Counter("busy"), retry.Delays(time.Minute), retry.Logger(silent()),
				retry.If(func(err error) bool { return errors.Is(err, errBusy) })),
			recovery.New(),
		).ThenFunc(func(context.Context, processor.Message) error {
			if tries++; tries == 1 {
				return errBusy
			}
			return errors.New("451 try again later")
		})
		require.NoError(t, err)
		topology, err := needs.Of(quorum("mail"), p)
		require.NoError(t, err)
		require.NoError(t, b.Declare(t.Context(), topology))
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(silent()))).Run(ctx))
		require.Equal(t, 4, tries, "busy, and then three of its own")
		parked, err := b.Ready(t.Context(), "mail_parked")
		require.NoError(t, err)
		require.Equal(t, 1, parked)
		require.NoError(t, b.Close(t.Context()))
	})
}

// A redelivery layer wants the work queue for itself: it is asked first, wherever it stands.
func TestTheQueueThatWaitsIsAskedFirst(t *testing.T) {
	t.Parallel()
	p := pipeline(t, ack.New(),
		retry.New(publisher, "busy_%delay%", retry.Delays(time.Second), retry.ParkKey("busy_parked"),
			retry.If(func(err error) bool { return errors.Is(err, errBusy) })),
		redelivery.New(publisher, "mail_parked"), recovery.New())
	got, err := needs.Of(broker.Queue{Name: "mail", Type: broker.Quorum}, p)
	require.NoError(t, err)
	require.Equal(t, &broker.DeadLetter{RoutingKey: "mail_parked"}, got.Queues[0].DeadLetter)
	require.NotNil(t, got.Queues[0].DelayedRetry)
}

func TestEachBranchOfAMuxIsAsked(t *testing.T) {
	t.Parallel()
	branch := func(name string, opts ...retry.Option) processor.Processor {
		opts = append(opts, retry.Counter(name), retry.Delays(time.Second))
		return pipeline(t, retry.New(publisher, name+"_%delay%", opts...), recovery.New())
	}
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByType,
		mux.On("a", branch("a", retry.ParkKey("parked"))), mux.On("b", branch("b")), mux.Fallback(sink)))
	require.NoError(t, err)
	got, err := needs.Of(quorum("mail"), p)
	require.NoError(t, err)
	for _, name := range []string{"a_1s", "b_1s", "parked"} {
		queueOf(t, got, name)
	}
	require.NoError(t, needs.Drops(got.Queues[0], p), "the work queue dead-letters to the parked queue")
	require.ErrorIs(t, needs.Drops(quorum("mail"), p), needs.ErrDrops)
}

func TestWhatContradictsIsRefused(t *testing.T) {
	t.Parallel()
	retries := func(counter string, opts ...retry.Option) processor.Middleware {
		return retry.New(publisher, "mail_retry_%attempt%", append(opts, retry.Counter(counter))...)
	}
	for name, tc := range map[string]struct {
		layers []processor.Middleware
		is     error
		says   []string
	}{
		"one queue, two delays": {
			[]processor.Middleware{retries("a", retry.Delays(time.Second)), retries("b", retry.Delays(time.Minute))},
			broker.ErrMismatch,
			[]string{`queue "mail"`, "the layers retry (layer 1) and retry (layer 2) contradict each other", `"mail_retry_1"`},
		},
		"one parks where the other waits": {
			[]processor.Middleware{
				backoff.New(publisher, "mail", backoff.Park(processor.Destination{RoutingKey: "mail_retry_1"})),
				retries("a", retry.Delays(time.Second)),
			}, nil, []string{`"mail"`, "mail_retry_1"},
		},
		"the delays are not known": {
			[]processor.Middleware{retries("a")}, nil, []string{"set Delays, or DeclaredByOthers"},
		},
		"another queue's layer": {
			[]processor.Middleware{backoff.New(publisher, "letters")}, nil, []string{`"mail"`, `"letters"`, "give New the name"},
		},
		"parked where it came from": {
			[]processor.Middleware{xdeath.New(xdeath.Park(publisher, processor.Destination{RoutingKey: "mail"}))},
			nil, []string{"xdeath", "for ever"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := needs.Of(quorum("mail"), pipeline(t, tc.layers...))
			require.Error(t, err)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			for _, says := range tc.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}

// The broker's own rounds: the queue in which messages wait is the user's.
func TestXDeathNeedsAWorkQueueWithoutALimit(t *testing.T) {
	t.Parallel()
	p := pipeline(t, ack.New(), xdeath.New(xdeath.Park(publisher, processor.Destination{RoutingKey: "mail_parked"})), recovery.New())
	work := quorum("mail")
	work.DeadLetter = &broker.DeadLetter{RoutingKey: "mail_wait"}
	got, err := needs.Of(work, p)
	require.NoError(t, err)
	require.Equal(t, broker.HighDeliveryLimit, got.Queues[0].DeliveryLimit)
	require.Equal(t, broker.HighDeliveryLimit, queueOf(t, got, "mail_parked").DeliveryLimit)
	require.NoError(t, needs.Drops(got.Queues[0], p))

	got, err = needs.Of(quorum("mail"), p)
	require.NoError(t, err)
	require.ErrorIs(t, needs.Drops(got.Queues[0], p), needs.ErrDrops, "nothing brings a failed message back")
}

// A layer of one's own that says something else about the work queue than it was asked about.
type stubborn struct {
	processor.Processor
	queues []broker.Queue
}

func (s *stubborn) Topology(broker.Queue) (broker.Topology, error) {
	return broker.Topology{Queues: s.queues}, nil
}

func TestALayerThatForgetsTheWorkQueueIsNamed(t *testing.T) {
	t.Parallel()
	for _, queues := range [][]broker.Queue{nil, {quorum("other")}} {
		_, err := needs.Of(quorum("mail"), &stubborn{sink, queues})
		require.ErrorContains(t, err, "*needs_test.stubborn (layer 1) returns a topology whose first queue is not the work queue")
	}
	_, err := needs.Of(quorum("mail"), pipeline(t,
		func(next processor.Processor) processor.Processor {
			return &stubborn{next, []broker.Queue{{Name: "mail", MaxLength: 1}}}
		}))
	require.NoError(t, err)
}

func TestDrops(t *testing.T) {
	t.Parallel()
	const key = "mail_retry_%attempt%"
	for name, tc := range map[string]struct {
		layers []processor.Middleware
		drops  string // "" is none
	}{
		"only acks":                {[]processor.Middleware{ack.New()}, "(error, permanent error)"},
		"requeues what fails":      {[]processor.Middleware{ack.New(ack.RequeueOnError())}, "(permanent error)"},
		"recovers":                 {[]processor.Middleware{ack.New(), recovery.New()}, "(error, permanent error, panic)"},
		"retries, and parks":       {[]processor.Middleware{ack.New(), retry.New(publisher, key, retry.ParkKey("parked"))}, ""},
		"retries without parking":  {[]processor.Middleware{ack.New(), retry.New(publisher, key)}, "(permanent error, attempts exhausted)"},
		"the handler settles":      {nil, ""},
		"delays, and parks":        {[]processor.Middleware{ack.New(), backoff.New(publisher, "mail", backoff.Park(processor.Destination{RoutingKey: "parked"}))}, ""},
		"delays without parking":   {[]processor.Middleware{ack.New(), backoff.New(publisher, "mail")}, "(permanent error, attempts exhausted)"},
		"leaves it to the queue":   {[]processor.Middleware{ack.New(), redelivery.New(publisher, "parked")}, ""},
		"goes round by a dead end": {[]processor.Middleware{ack.New(), xdeath.New(xdeath.Park(publisher, processor.Destination{RoutingKey: "parked"}))}, "(error, permanent error)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pipeline(t, tc.layers...)
			err := needs.Drops(quorum("mail"), p)
			if tc.drops == "" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, needs.ErrDrops)
				require.ErrorContains(t, err, `queue "mail"`)
				require.ErrorContains(t, err, tc.drops)
			}
			dead := quorum("mail")
			dead.DeadLetter = &broker.DeadLetter{RoutingKey: "dead"}
			require.NoError(t, needs.Drops(dead, p))
			byArgument := broker.Queue{Name: "mail", Arguments: processor.Headers{"x-dead-letter-exchange": ""}}
			require.NoError(t, needs.Drops(byArgument, p))
		})
	}
	require.NoError(t, needs.Drops(quorum("mail"), nil), "New says that")
}

// A full queue makes room for a retry that comes back by dropping its oldest message.
func TestDropsOfAQueueThatRemovesMessages(t *testing.T) {
	t.Parallel()
	p := pipeline(t, ack.New(), retry.New(publisher, "mail_retry_%attempt%", retry.ParkKey("parked")))
	for name, tc := range map[string]struct {
		queue broker.Queue
		drops string // "" is none
	}{
		"without limits":      {broker.Queue{}, ""},
		"a TTL":               {broker.Queue{MessageTTL: time.Minute}, "(x-message-ttl)"},
		"a length":            {broker.Queue{MaxLength: 10}, "(x-max-length)"},
		"bytes":               {broker.Queue{Arguments: processor.Headers{"x-max-length-bytes": 10}}, "(x-max-length-bytes)"},
		"refuses when full":   {broker.Queue{MaxLength: 10, Overflow: broker.RejectPublish}, ""},
		"a TTL, and refuses":  {broker.Queue{MaxLength: 10, Overflow: broker.RejectPublish, MessageTTL: time.Minute}, "(x-message-ttl)"},
		"has a place for it":  {broker.Queue{MaxLength: 10, DeadLetter: &broker.DeadLetter{RoutingKey: "dead"}}, ""},
		"a stream":            {broker.Queue{Type: "stream", Arguments: processor.Headers{"x-max-length-bytes": 10}}, ""},
		"drops the oldest":    {broker.Queue{MaxLength: 10, Overflow: broker.DropHead}, "(x-max-length)"},
		"a length of nothing": {broker.Queue{Arguments: processor.Headers{"x-max-length": 0}}, "(x-max-length)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.queue.Name = "mail"
			err := needs.Drops(tc.queue, p)
			if tc.drops == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, needs.ErrDrops)
			require.ErrorContains(t, err, "before they are processed")
			require.ErrorContains(t, err, tc.drops)
		})
	}
}

// A message that a mux passes on to nobody fails outside of its branches.
func TestDropsOfAMux(t *testing.T) {
	t.Parallel()
	parks := pipeline(t, retry.New(publisher, "r_%attempt%", retry.ParkKey("parked")))
	inside := must.Have(stack.New(ack.New()).Then(mux.New(mux.ByType, mux.On("a", parks))))
	require.ErrorIs(t, needs.Drops(quorum("mail"), inside), needs.ErrDrops)
	outside := must.Have(stack.New(ack.New(), retry.New(publisher, "r_%attempt%", retry.ParkKey("parked"))).
		Then(mux.New(mux.ByType, mux.On("a", sink))))
	require.NoError(t, needs.Drops(quorum("mail"), outside))
}
