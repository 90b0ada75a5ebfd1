package xdeath_test

import (
	"context"
	"io"
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
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/xdeath"
)

const wait = 30 * time.Second

// loop publishes e to a queue that only the broker retries, consumes it for a day, and returns how
// often the handler was called and how many messages each queue has.
func loop(t *testing.T, e processor.Envelope, handler processor.ProcessorFunc, inner []processor.Middleware, opts ...xdeath.Option) (calls, lost int64, ready map[string]int) {
	t.Helper()
	var dropped atomic.Int64
	b := memory.New(memory.OnDrop(func(memory.Drop) { dropped.Add(1) }))
	defer func() { require.NoError(t, b.Close(t.Context())) }()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{
		Exchanges: []broker.Exchange{{Name: "dlx", Kind: broker.Fanout}},
		Queues: []broker.Queue{
			{Name: "mail", DeadLetter: &broker.DeadLetter{Exchange: "dlx"}},
			{Name: "mail_wait", MessageTTL: wait, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
			{Name: "parked"},
		},
		Bindings: []broker.Binding{{Exchange: "dlx", Queue: "mail_wait"}},
	}))
	layers := stack.New(ack.New(), xdeath.New(append(opts, xdeath.Park(b.Publisher(), parked))...)).With(inner...)
	var n atomic.Int64
	p, err := layers.ThenFunc(func(ctx context.Context, msg processor.Message) error {
		n.Add(1)
		return handler(ctx, msg)
	})
	require.NoError(t, err)
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, e))

	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	require.NoError(t, must.Have(consumer.New(b.Source("mail"), p)).Run(ctx))
	ready = map[string]int{}
	for _, queue := range []string{"mail", "mail_wait", "parked"} {
		waiting, err := b.Ready(t.Context(), queue)
		require.NoError(t, err)
		if waiting > 0 {
			ready[queue] = waiting
		}
	}
	return n.Load(), dropped.Load(), ready
}

func TestALoopOfTheBrokerEnds(t *testing.T) {
	t.Parallel()
	fails := func(context.Context, processor.Message) error { return errMail }
	rejects := func(context.Context, processor.Message) error { return processor.Reject(errMail) }
	panics := func(context.Context, processor.Message) error { panic("out of stamps") }
	for name, tc := range map[string]struct {
		encoding string
		handler  processor.ProcessorFunc
		opts     []xdeath.Option
		calls    int64
	}{
		"by the count":                            {"", fails, []xdeath.Option{xdeath.MaxCount(5)}, 6},
		"by the lifetime":                         {"", fails, []xdeath.Option{xdeath.MaxLifetime(10 * wait)}, 11}, // from the first death on
		"by default":                              {"", fails, nil, 121},                                           // an hour of 30 s
		"by default, without a lifetime":          {"", fails, []xdeath.Option{xdeath.MaxLifetime(processor.NoLimit)}, 301},
		"counted in the other queue":              {"", fails, []xdeath.Option{xdeath.MaxCount(2), xdeath.Queue("mail_wait")}, 3},
		"rejected, which a broker sees as failed": {"", rejects, []xdeath.Option{xdeath.MaxCount(5)}, 6},
		"by panics":                               {"", panics, []xdeath.Option{xdeath.MaxCount(5)}, 6},
		"not to decode":                           {"br", fails, []xdeath.Option{xdeath.MaxCount(5)}, 0},
		"with a charset":                          {"utf-8", fails, []xdeath.Option{xdeath.MaxCount(5)}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := processor.Envelope{Body: []byte("hello"), Properties: processor.Properties{ContentEncoding: tc.encoding}}
				calls, lost, ready := loop(t, e, tc.handler, []processor.Middleware{recovery.New(), decode.New()}, tc.opts...)
				require.Equal(t, tc.calls, calls)
				require.Zero(t, lost)
				require.Equal(t, map[string]int{"parked": 1}, ready)
			})
		})
	}
}

func TestAMessageThatGetsBetterIsNotJudged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		calls, lost, ready := loop(t, processor.Envelope{}, func(context.Context, processor.Message) error {
			if tries++; tries <= 5 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}, nil, xdeath.MaxCount(5))
		require.Equal(t, int64(6), calls)
		require.Zero(t, lost)
		require.Empty(t, ready)
	})
}
