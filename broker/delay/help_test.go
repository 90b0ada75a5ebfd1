package delay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// steps returns those of the work queue mail.
func steps(tb testing.TB, all []time.Duration, opts ...delay.Option) delay.Delayer {
	tb.Helper()
	d, err := delay.Steps(opts...)("mail", all)
	require.NoError(tb, err)
	return d
}

// ladder returns one for the work queue mail.
func ladder(tb testing.TB, opts ...delay.Option) delay.Delayer {
	tb.Helper()
	d, err := delay.Ladder(opts...)("mail", nil)
	require.NoError(tb, err)
	return d
}

// rig is an embedded broker with the work queue mail and its delays.
type rig struct {
	testing.TB
	*memory.Broker
	delayer delay.Delayer
	mail    broker.Subscription
}

func newRig(tb testing.TB, d delay.Delayer, opts ...memory.Option) *rig {
	tb.Helper()
	b := memory.New(opts...)
	tb.Cleanup(func() { _ = b.Close(tb.Context()) })
	work := broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}
	require.NoError(tb, b.Declare(tb.Context(), work.Merge(d.Topology())))
	sub, err := b.Source("mail").Subscribe(tb.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = sub.Close(tb.Context()) })
	return &rig{TB: tb, Broker: b, delayer: d, mail: sub}
}

func (r *rig) delay(e processor.Envelope, d time.Duration) {
	r.Helper()
	require.NoError(r, r.delayer.Delay(r.Context(), r.Publisher(), e, d))
}

// next acks the next message of the work queue, and returns it.
func (r *rig) next() processor.Message {
	r.Helper()
	m, err := r.mail.Receive(r.Context())
	require.NoError(r, err)
	require.NoError(r, m.Ack())
	return m
}

// trip delays e and returns the message that came, and the time that it took.
func (r *rig) trip(e processor.Envelope, d time.Duration) (processor.Message, time.Duration) {
	r.Helper()
	start := time.Now()
	r.delay(e, d)
	m := r.next()
	return m, time.Since(start)
}

func text(s string) processor.Envelope { return processor.Envelope{Body: []byte(s)} }
