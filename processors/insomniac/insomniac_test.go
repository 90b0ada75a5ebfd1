package insomniac_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
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
	"github.com/gowarren/warren/processors/insomniac"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return insomniac.New() },
	})
}

var errMail = errors.New("mail server says no")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func succeed(context.Context, processor.Message) error { return nil }

func build(t *testing.T, h processor.ProcessorFunc, opts ...insomniac.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(ack.New(), insomniac.New(append([]insomniac.Option{insomniac.Logger(quiet())}, opts...)...)).Then(h)
	require.NoError(t, err)
	return p
}

// rig is a queue with n messages.
func rig(t *testing.T, n int) *memory.Broker {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	for range n {
		publish(t, b)
	}
	return b
}

func publish(t *testing.T, b *memory.Broker) {
	t.Helper()
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
}

func TestTheRunEndsWhenTheQueueIsEmpty(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			b := rig(t, 100)
			slow := func(context.Context, processor.Message) error { time.Sleep(5001 * time.Millisecond); return nil }
			c := must.Have(consumer.New(b.Source("mail"), build(t, slow), consumer.Workers(workers), consumer.Logger(quiet())))
			require.NoError(t, c.Run(t.Context()))
			require.Equal(t, uint64(100), c.Stats().Done)
			require.NoError(t, c.Run(t.Context()), "again, at once")
		})
	}
}

func TestTheRunGoesOnWhileMessagesArriveWithinTheIdleInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 0)
		c := must.Have(consumer.New(b.Source("mail"), build(t, succeed), consumer.IdleInterval(10*time.Second), consumer.Logger(quiet())))
		result := make(chan error)
		go func() { result <- c.Run(t.Context()) }()
		for range 20 {
			time.Sleep(9 * time.Second)
			publish(t, b)
		}
		require.NoError(t, <-result)
		require.Equal(t, uint64(20), c.Stats().Done)
	})
}

// The idle hook was called while a worker waited after a requeued message.
func TestTheRunDoesNotEndWhileAMessageThatWentBackIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 3)
		calls := 0
		p := build(t, func(context.Context, processor.Message) error {
			if calls++; calls < 8 {
				return processor.Requeue(errMail)
			}
			return nil
		})
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(quiet())))
		require.NoError(t, c.Run(t.Context()))
		require.Equal(t, uint64(3), c.Stats().Done)
	})
}

// The idle hook was called between two messages, each of which took longer than the idle
// interval.
func TestTheRunDoesNotEndBetweenTwoSlowMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 30)
		slow := func(context.Context, processor.Message) error { time.Sleep(5 * time.Second); return nil }
		c := must.Have(consumer.New(b.Source("mail"), build(t, slow), consumer.Logger(quiet())))
		require.NoError(t, c.Run(t.Context()))
		require.Equal(t, uint64(30), c.Stats().Done)
	})
}

// A source that delivers nothing for a while looks like an empty queue.
func TestConfirmKeepsTheRunGoing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 0)
		var asked int
		confirm := func(ctx context.Context) (int, error) {
			switch asked++; {
			case asked < 3:
				return 7, nil
			case asked < 5:
				return 0, errMail
			default:
				return b.Ready(ctx, "mail")
			}
		}
		start := time.Now()
		c := must.Have(consumer.New(b.Source("mail"), build(t, succeed, insomniac.Confirm(confirm)), consumer.Logger(quiet())))
		require.NoError(t, c.Run(t.Context()))
		require.Equal(t, 5, asked)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestIdleSaysWhyTheRunGoesOn(t *testing.T) {
	t.Parallel()
	var n int
	var err error
	p := build(t, succeed, insomniac.Confirm(func(context.Context) (int, error) { return n, err }))
	require.ErrorIs(t, p.Idle(t.Context()), processor.ErrStop)
	n = 1
	require.NoError(t, p.Idle(t.Context()))
	n, err = 0, errMail
	require.ErrorIs(t, p.Idle(t.Context()), errMail)
	require.False(t, processor.Decide(p.Idle(t.Context())).Stop)
}

func TestTheEndIsLogged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := build(t, succeed, insomniac.Logger(slog.New(slog.NewTextHandler(&out, nil))), insomniac.Confirm(nil))
	require.ErrorIs(t, p.Idle(t.Context()), processor.ErrStop)
	require.Contains(t, out.String(), "level=INFO")
}

func TestNilOptionShowsWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	_, err := stack.New(insomniac.New(nil)).ThenFunc(succeed)
	require.ErrorContains(t, err, "insomniac: option 1 is nil")
}

func TestSettingsSayWhoIsAsked(t *testing.T) {
	t.Parallel()
	settings := func(opts ...insomniac.Option) []stack.Setting {
		return build(t, succeed, opts...).Describe().Layers[1].Settings
	}
	require.Equal(t, []stack.Setting{{Name: "confirm", Value: "nobody"}}, settings())
	require.Equal(t, []stack.Setting{{Name: "confirm", Value: "by a function"}},
		settings(insomniac.Confirm(func(context.Context) (int, error) { return 0, nil })))
}

func ExampleNew() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}); err != nil {
		panic(err)
	}
	for _, body := range []string{"one", "two"} {
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte(body)}); err != nil {
			panic(err)
		}
	}
	handler := func(_ context.Context, msg processor.Message) error {
		fmt.Printf("%s\n", msg.Body())
		return nil
	}
	pipeline, err := stack.New(
		insomniac.New(
			insomniac.Confirm(func(ctx context.Context) (int, error) { return b.Ready(ctx, "mail") }),
			insomniac.Logger(slog.New(slog.DiscardHandler))),
		ack.New(),
	).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	c, err := consumer.New(b.Source("mail"), pipeline, consumer.IdleInterval(10*time.Millisecond))
	if err != nil {
		panic(err)
	}
	fmt.Println("ended with", c.Run(ctx))
	// Output:
	// one
	// two
	// ended with <nil>
}

// It ended the process, or left a run that never checked again for its end.
func TestAConfirmThatPanicsOrExitsIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, end := range []func(){func() { panic("boom") }, runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			b := rig(t, 1)
			asked := 0
			p := build(t, succeed, insomniac.Confirm(func(context.Context) (int, error) {
				if asked++; asked == 1 {
					end()
				}
				return 0, nil
			}))
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(quiet())))
			require.NoError(t, c.Run(t.Context()))
			require.Equal(t, 2, asked)
		})
	}
}
