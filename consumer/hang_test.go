package consumer_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// deaf is a processor whose Start ignores its context.
type deaf struct {
	processor.Processor
	release chan struct{}
	stopped atomic.Int64
}

func (d *deaf) Start(context.Context) error { <-d.release; return nil }
func (d *deaf) Stop(context.Context) error  { d.stopped.Add(1); return nil }

// The run never ended.
func TestAStartThatIgnoresItsContextIsAbandonedAndStoppedWhenItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &deaf{release: make(chan struct{})}
		p, err := stack.New(ack.New(), func(next processor.Processor) processor.Processor { d.Processor = next; return d }).
			ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		var out bytes.Buffer
		c := must.Have(consumer.New(memory.New().Source("mail"), p, consumer.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
		require.ErrorIs(t, c.Run(ctx), consumer.ErrAbandoned)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
		require.Zero(t, d.stopped.Load())
		close(d.release)
		synctest.Wait()
		require.EqualValues(t, 1, d.stopped.Load())
		require.Contains(t, out.String(), `level=INFO msg="what was abandoned has returned, and is undone" what="the start of the layers"`)
		require.NotContains(t, out.String(), "error=")
	})
}

// quitter ends the run in its Start, and then waits.
type quitter struct {
	processor.Processor
}

func (q quitter) Start(ctx context.Context) error {
	stack.RunFrom(ctx).End(nil)
	<-ctx.Done()
	return nil
}

func TestAStartIsToldWhenTheRunIsToEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		start := time.Now()
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), quitter{processor.ProcessorFunc(nil)}, quiet())).Run(t.Context()))
		require.Zero(t, time.Since(start))
	})
}

// deafSource is a source whose Subscribe ignores its context.
type deafSource struct {
	broker.Source
	release chan struct{}
	subs    chan broker.Subscription
}

func (d deafSource) Subscribe(_ context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	<-d.release
	sub, err := d.Source.Subscribe(context.Background(), o) //nolint:contextcheck // the one of the call is ignored
	d.subs <- sub
	return sub, err
}

func TestASubscribeThatIgnoresItsContextIsAbandonedAndClosedWhenItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
		s := deafSource{b.Source("mail"), make(chan struct{}), make(chan broker.Subscription, 1)}
		d := &deaf{release: make(chan struct{})}
		close(d.release)
		p, err := stack.New(ack.New(), func(next processor.Processor) processor.Processor { d.Processor = next; return d }).
			ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		var out bytes.Buffer
		logger := consumer.Logger(slog.New(slog.NewTextHandler(&out, nil)))
		require.ErrorIs(t, must.Have(consumer.New(s, p, logger)).Run(ctx), consumer.ErrAbandoned)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
		require.EqualValues(t, 1, d.stopped.Load(), "the layers had started")
		close(s.release)
		sub := <-s.subs
		synctest.Wait()
		_, err = sub.Receive(t.Context())
		require.Error(t, err, "it is closed")
		require.Contains(t, out.String(), `what="the subscription"`)
		n, err := b.Ready(t.Context(), "mail")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// blocking is a log handler that never returns, until the test ends.
type blocking struct {
	slog.Handler
	release chan struct{}
}

func (b blocking) Enabled(context.Context, slog.Level) bool  { return true }
func (b blocking) Handle(context.Context, slog.Record) error { <-b.release; return nil }
func (b blocking) WithAttrs([]slog.Attr) slog.Handler        { return b }
func (b blocking) WithGroup(string) slog.Handler             { return b }

// Every worker, and the end of the run, waited for the log.
func TestALogHandlerThatBlocksHoldsUpNoMessageAndNoEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
		for range 100 {
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
		}
		p, err := stack.New(ack.New()).ThenFunc(func(context.Context, processor.Message) error { return processor.Reject(nil) }) // logged
		require.NoError(t, err)
		h := blocking{release: make(chan struct{})}
		defer close(h.release)
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(4), consumer.Logger(slog.New(h))))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		require.NoError(t, c.Run(ctx))
		require.Equal(t, time.Minute, time.Since(start))
		require.EqualValues(t, 100, c.Stats().Rejected)
	})
}
