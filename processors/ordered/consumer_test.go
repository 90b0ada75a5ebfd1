package ordered_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/ordered"
)

// publish fills the queue "mail" with messages of each customer in turn.
func publish(t *testing.T, b *memory.Broker, customers, each int) {
	t.Helper()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	for i := range each {
		for c := range customers {
			e := processor.Envelope{Body: fmt.Appendf(nil, "%d", i), Headers: processor.Headers{"customer": int64(c)}}
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, e))
		}
	}
}

func TestConsumerKeepsTheOrderOfEachCustomer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const customers, each = 4, 25
		b := memory.New()
		publish(t, b, customers, each)

		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		got, want, total := map[int64][]string{}, map[int64][]string{}, 0
		p, err := stack.New(ack.New(), ordered.New(ordered.ByHeader("customer"))).
			ThenFunc(func(_ context.Context, msg processor.Message) error {
				customer, _ := msg.Headers().Int64("customer")
				time.Sleep(time.Duration(1+customer) * time.Millisecond) // the customers do not keep step
				mu.Lock()
				defer mu.Unlock()
				got[customer] = append(got[customer], string(msg.Body()))
				if total++; total == customers*each {
					cancel()
				}
				return nil
			})
		require.NoError(t, err)
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(10), consumer.Prefetch(10))).Run(ctx))
		for c := range int64(customers) {
			for i := range each {
				want[c] = append(want[c], fmt.Sprint(i))
			}
		}
		require.Equal(t, want, got)
		require.NoError(t, b.Close(t.Context()))
	})
}

func TestShutdownGivesBackWhatWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		publish(t, b, 1, 8)
		ctx, cancel := context.WithCancel(t.Context())
		begun := 0
		p, err := stack.New(ack.New(), ordered.New(ordered.ByHeader("customer"))).
			ThenFunc(func(ctx context.Context, _ processor.Message) error {
				begun++
				cancel()
				<-ctx.Done()
				return ctx.Err()
			})
		require.NoError(t, err)
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(10), consumer.Prefetch(10))).Run(ctx))
		require.Equal(t, 1, begun)
		n, err := b.Ready(t.Context(), "mail")
		require.NoError(t, err)
		require.Equal(t, 8, n)
		require.NoError(t, b.Close(t.Context()))
	})
}

func ExampleNew() {
	b := memory.New()
	ctx, cancel := context.WithCancel(context.Background())
	_ = b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}}})
	for _, text := range []string{"open", "change", "close"} {
		e := processor.Envelope{Body: []byte(text), Headers: processor.Headers{"account": "a1"}}
		_ = b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail"}, e)
	}

	pipeline, err := stack.New(ack.New(), ordered.New(ordered.ByHeader("account"))).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			fmt.Println(string(msg.Body())) // one account has one message at a time
			if string(msg.Body()) == "close" {
				cancel()
			}
			return nil
		})
	if err != nil {
		panic(err)
	}
	err = must.Have(consumer.New(b.Source("mail"), pipeline, consumer.Workers(10), consumer.Prefetch(10))).Run(ctx)
	fmt.Println(err, b.Close(context.Background()))
	// Output:
	// open
	// change
	// close
	// <nil> <nil>
}

// Admission and a turn that comes at once.
func BenchmarkAdmitted(b *testing.B) {
	p, err := stack.New(ordered.New(ordered.ByRoutingKey)).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(b, err)
	admitter := stack.Admitters(p)[0]
	msg, ctx := processortest.NewMessage(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		admitted, left := admitter.Admit(ctx, msg)
		_ = p.Process(admitted, msg)
		left()
	}
}
