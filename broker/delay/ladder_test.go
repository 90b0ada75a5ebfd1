package delay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

func TestSmoke(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { _ = b.Close(t.Context()) }()
		l, err := delay.Ladder()("mail", nil)
		require.NoError(t, err)
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}.Merge(l.Topology())))
		sub, err := b.Source("mail").Subscribe(t.Context(), 1)
		require.NoError(t, err)
		for i := range 300 {
			d := time.Duration(i) * 50 * time.Millisecond
			start := time.Now()
			require.NoError(t, l.Delay(t.Context(), b.Publisher(), processor.Envelope{Body: []byte("m")}, d))
			m, err := sub.Receive(t.Context())
			require.NoError(t, err)
			require.NoError(t, m.Ack())
			late := time.Since(start) - d
			require.GreaterOrEqual(t, late, time.Duration(0))
			require.Less(t, late, delay.DefaultUnit)
		}
		t.Log(l, "\n", l.Topology().Plan())
	})
}
