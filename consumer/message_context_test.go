package consumer_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

type principal struct{}

// as returns the principal of the message as its context.
func as(ctx context.Context, msg processor.Message) (context.Context, error) {
	name, ok := msg.Headers().String("principal")
	if !ok {
		return nil, processor.Reject(errors.New("nobody by that name"))
	}
	return context.WithValue(ctx, principal{}, name), nil
}

// office is a memory broker with a queue "mail" whose messages are retried twice, and parked.
func office(t *testing.T, hook func(context.Context, processor.Message) (context.Context, error), handle processor.ProcessorFunc, opts ...consumer.Option) (*memory.Broker, *consumer.Consumer) {
	t.Helper()
	b := memory.New()
	p, err := stack.New(ack.New(),
		retry.New(b.Publisher(), "mail_retry_%delay%", retry.Delays(time.Second), retry.ParkKey("mail_parked"), retry.Logger(slogDiscard())),
		recovery.New()).Then(handle)
	require.NoError(t, err)
	topology, err := needs.Of(broker.Queue{Name: "mail", Type: broker.Quorum}, p)
	require.NoError(t, err)
	require.NoError(t, b.Declare(t.Context(), topology))
	return b, must.Have(consumer.New(b.Source("mail"), p, append(opts, quiet(), consumer.MessageContext(hook))...))
}

func post(t *testing.T, b broker.Broker, h processor.Headers) {
	t.Helper()
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{Headers: h}))
}

func readyIn(t *testing.T, b *memory.Broker, queue string) int {
	t.Helper()
	n, err := b.Ready(t.Context(), queue)
	require.NoError(t, err)
	return n
}

// running runs c until the bubble has nothing to do for a minute.
func running(t *testing.T, c *consumer.Consumer) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	require.NoError(t, c.Run(ctx))
}

func TestAHandlerSeesTheContextOfItsMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []any
		b, c := office(t, as, func(ctx context.Context, _ processor.Message) error {
			seen = append(seen, ctx.Value(principal{}))
			return nil
		})
		post(t, b, processor.Headers{"principal": "system.accountant"})
		post(t, b, nil)
		running(t, c)
		require.Equal(t, []any{"system.accountant"}, seen)
		require.Equal(t, 1, readyIn(t, b, "mail_parked"), "the one without is rejected, and so parked")
		require.Equal(t, uint64(2), c.Stats().Done)
		require.NoError(t, b.Close(t.Context()))
	})
}

// Whatever goes wrong in the hook is a failure like one of the handler: retried, and then it works.
func TestAMessageWithoutAContextIsRetried(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (context.Context, error){
		"error":  func() (context.Context, error) { return nil, errors.New("the directory does not answer") },
		"panic":  func() (context.Context, error) { panic("no directory") },
		"nil":    func() (context.Context, error) { return nil, nil }, //nolint:nilnil // what a user may do
		"goexit": func() (context.Context, error) { runtime.Goexit(); panic("not reached") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked, handled atomic.Int64
				b, c := office(t, func(ctx context.Context, _ processor.Message) (context.Context, error) {
					if asked.Add(1) == 1 {
						return fail()
					}
					return ctx, nil
				}, func(context.Context, processor.Message) error { handled.Add(1); return nil })
				post(t, b, nil)
				running(t, c)
				require.Equal(t, int64(2), asked.Load())
				require.Equal(t, int64(1), handled.Load())
				require.Zero(t, readyIn(t, b, "mail")+readyIn(t, b, "mail_parked"))
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

func TestAContextNeedsAPipelineToFailIn(t *testing.T) {
	t.Parallel()
	hook := consumer.MessageContext(as)
	_, err := consumer.New(newQueue(), sink, hook)
	require.ErrorContains(t, err, "pass a pipeline")
	_, err = consumer.New(newQueue(), acked(t, sink), hook)
	require.NoError(t, err)
	type embeds struct{ *stack.Pipeline }
	_, err = consumer.New(newQueue(), embeds{acked(t, sink)}, hook)
	require.NoError(t, err)
	_, err = consumer.New(newQueue(), acked(t, sink), consumer.MessageContext(nil))
	require.ErrorContains(t, err, "leave it out")
	_, err = consumer.New(newQueue(), acked(t, sink), consumer.OnReady(nil))
	require.ErrorContains(t, err, "leave it out")
}

// branching is a handler whose branches settle, as those of a mux may.
type branching struct{ branch processor.Processor }

func (b branching) Process(ctx context.Context, msg processor.Message) error {
	return b.branch.Process(ctx, msg)
}
func (b branching) Branches() []processor.Processor { return []processor.Processor{b.branch} }

// A message that does not reach the branches that would settle it is requeued, and ends no run.
func TestAMessageThatReachesNoBranchEndsNoRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		poison processor.Message
		opts   []consumer.Option
	}{
		"no context": {processortest.NewMessage(processortest.Header("tenant", "none")), []consumer.Option{
			consumer.MessageContext(func(ctx context.Context, msg processor.Message) (context.Context, error) {
				if _, none := msg.Headers()["tenant"]; none {
					return nil, processor.Reject(errMail)
				}
				return ctx, nil
			}),
		}},
		"unreadable": {processortest.NewMessage(processortest.Header(processor.HeaderUnreadable, []byte("x"))), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				branch := must.Have(stack.New(ack.New()).ThenFunc(func(context.Context, processor.Message) error { return nil }))
				p := must.Have(stack.New().Then(branching{branch}))
				b := memory.New()
				require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q"}}}))
				to := processor.Destination{RoutingKey: "q"}
				require.NoError(t, b.Publisher().Publish(t.Context(), to, processor.Envelope{Headers: tc.poison.Headers()}))
				require.NoError(t, b.Publisher().Publish(t.Context(), to, processor.Envelope{}))
				ctx, stop := context.WithCancel(t.Context())
				c := must.Have(consumer.New(b.Source("q"), p, append(tc.opts, consumer.Workers(2), quiet())...))
				ended := make(chan error, 1)
				go func() { ended <- c.Run(ctx) }()
				time.Sleep(time.Second)
				require.EqualValues(t, 1, c.Stats().Done)
				stop()
				require.NoError(t, <-ended)
				n, err := b.Ready(t.Context(), "q")
				require.NoError(t, err)
				require.Equal(t, 1, n, "it is not lost")
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}
