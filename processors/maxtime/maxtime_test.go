package maxtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/maxtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return maxtime.New() },
	})
}

var errMail = errors.New("mail server says no")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func build(t *testing.T, h processor.ProcessorFunc, opts ...maxtime.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(ack.New(), maxtime.New(append(opts, maxtime.Logger(quiet()))...)).Then(h)
	require.NoError(t, err)
	return p
}

func succeed(context.Context, processor.Message) error { return nil }

// rig is a queue with n messages.
func rig(t *testing.T, n int) *memory.Broker {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	for range n {
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
	}
	return b
}

func TestEachRunEndsAfterItsTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		messages int
		handler  processor.ProcessorFunc
		lasts    time.Duration
		done     int
	}{
		"while nothing arrives": {0, succeed, 300 * time.Second, 0},
		"with a message in hand, which finishes": {1, func(ctx context.Context, _ processor.Message) error {
			time.Sleep(310 * time.Second)
			return ctx.Err()
		}, 310 * time.Second, 1},
		"between two of many": {100, func(ctx context.Context, _ processor.Message) error {
			time.Sleep(8 * time.Second)
			return ctx.Err()
		}, 304 * time.Second, 38},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := rig(t, 2*tc.messages)
				c := must.Have(consumer.New(b.Source("mail"), build(t, tc.handler), consumer.Logger(quiet())))
				for i := range 2 {
					start := time.Now()
					require.NoError(t, c.Run(t.Context()))
					require.Equal(t, tc.lasts, time.Since(start))
					ready, err := b.Ready(t.Context(), "mail")
					require.NoError(t, err)
					require.Equal(t, 2*tc.messages-(i+1)*tc.done, ready)
				}
			})
		})
	}
}

func TestARunThatEndsBeforeLeavesNoTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := build(t, succeed)
		var r run
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
		time.Sleep(299 * time.Second)
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, p.Stop(t.Context()), "it works twice")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, r.ends)
	})
}

// run records how it was ended.
type run struct{ ends []error }

func (r *run) End(err error) { r.ends = append(r.ends, err) }
func (r *run) Abort(error)   { panic("aborted") }
func (r *run) Pause() func() { panic("paused") }

func TestTheResultOfAMessageStaysAsItIsWhereTheRunCanBeTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := build(t, func(context.Context, processor.Message) error { return errMail })
		var r run
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []error{nil}, r.ends, "once")
		require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
		require.NoError(t, p.Idle(t.Context()))
	})
}

func TestWithoutControlTheWishToStopIsJoined(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var result error
		p := build(t, func(context.Context, processor.Message) error { return result }, maxtime.After(time.Minute))
		process := func() error { return p.Process(t.Context(), processortest.NewMessage()) }
		for range 2 { // runs that can be told, before
			require.NoError(t, p.Start(stack.WithRun(t.Context(), &run{})))
			require.NoError(t, p.Stop(t.Context()))
		}
		for range 2 {
			require.NoError(t, p.Start(t.Context()))
			result = nil
			time.Sleep(59 * time.Second)
			require.NoError(t, process())
			require.NoError(t, p.Idle(t.Context()))
			time.Sleep(time.Second)
			synctest.Wait()
			require.Equal(t, processor.Decision{Action: processor.Done, Stop: true}, processor.Decide(process()))
			require.Equal(t, processor.Decision{Action: processor.Done, Stop: true}, processor.Decide(p.Idle(t.Context())))
			result = processor.Reject(errMail)
			require.ErrorIs(t, process(), errMail)
			require.Equal(t, processor.Decision{Action: processor.Rejected, Stop: true}, processor.Decide(process()))
			require.NoError(t, p.Stop(t.Context()))
			result = nil
			require.NoError(t, process(), "the time ends with the run")
		}
	})
}

func TestNoTimeCountsBeforeTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := build(t, succeed)
		time.Sleep(time.Hour)
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		require.NoError(t, p.Idle(t.Context()))
		require.NoError(t, p.Stop(t.Context()))
	})
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for says, m := range map[string]processor.Middleware{
		"After is 0s":     maxtime.New(maxtime.After(0)),
		"option 1 is nil": maxtime.New(nil),
	} {
		_, err := stack.New(m).ThenFunc(succeed)
		require.ErrorContains(t, err, says)
	}
}

func TestSettingsNameTheDefault(t *testing.T) {
	t.Parallel()
	require.Equal(t, stack.LayerDescription{
		Name: "maxtime", Settings: []stack.Setting{{Name: "after", Value: "5m0s"}},
	}, build(t, succeed).Describe().Layers[1])
}

func ExampleNew() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}); err != nil {
		panic(err)
	}
	pipeline, err := stack.New(
		maxtime.New(maxtime.After(10*time.Millisecond), maxtime.Logger(slog.New(slog.DiscardHandler))),
		ack.New(),
	).ThenFunc(succeed)
	if err != nil {
		panic(err)
	}
	fmt.Println("ended with", must.Have(consumer.New(b.Source("mail"), pipeline)).Run(ctx))
	// Output: ended with <nil>
}
