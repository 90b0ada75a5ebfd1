package failover_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

// attempts records what is dialled, and when. No node answers.
type attempts struct {
	addresses []string
	times     []time.Time
}

func (a *attempts) dial(_ context.Context, _, address string) (net.Conn, error) {
	a.addresses = append(a.addresses, address)
	a.times = append(a.times, time.Now())
	return nil, amqpfake.ErrRefused
}

func TestAllDownAttemptsAreBoundedAndContextEndsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), outage)
		defer cancel()
		var a attempts
		start := time.Now()

		_, err := failover.Dial(ctx, []string{"amqp://a;b;c"}, failover.NetDialer(a.dial), quiet())

		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, amqpfake.ErrRefused)
		require.NotErrorIs(t, err, failover.ErrAuth)
		for _, node := range []string{"node a:5672", "node b:5672", "node c:5672"} {
			require.ErrorContains(t, err, node)
		}
		require.Equal(t, outage, time.Since(start))
		rounds := len(a.times) / 3
		require.LessOrEqual(t, rounds, int(outage/(7500*time.Millisecond))+8)
		require.GreaterOrEqual(t, rounds, int(outage/(15*time.Second)))
	})
}

func TestARoundHasNoWaitsAndEachNextOneWaitsLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var a attempts

		_, err := failover.Dial(ctx, []string{"amqp://a;b"}, failover.NetDialer(a.dial), quiet(),
			failover.Backoff(time.Second, 4*time.Second))

		require.ErrorIs(t, err, context.DeadlineExceeded)
		for i, round := range slices.Collect(slices.Chunk(a.times, 2))[:6] {
			require.Equal(t, []string{"a:5672", "b:5672"}, a.addresses[2*i:2*i+2])
			require.Zero(t, round[1].Sub(round[0]))
			if i > 0 {
				step := min(time.Second<<(i-1), 4*time.Second)
				gap := round[0].Sub(a.times[2*i-1])
				require.GreaterOrEqual(t, gap, step/2)
				require.LessOrEqual(t, gap, step)
			}
		}
	})
}

func TestCancelWhileDialling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the operator pressed the button")
		ctx, cancel := context.WithCancelCause(t.Context())
		hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
			time.AfterFunc(time.Second, func() { cancel(why) })
			<-ctx.Done()
			return nil, ctx.Err()
		}
		_, err := failover.Dial(ctx, []string{"amqp://a"}, failover.NetDialer(hang), quiet())
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, why)
		require.NotErrorIs(t, err, failover.ErrNoAnswer)
	})
}

func TestConnectTimeoutOfTheURLComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		var waits []time.Duration
		hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
			start := time.Now()
			<-ctx.Done()
			waits = append(waits, time.Since(start))
			return nil, ctx.Err()
		}
		_, err := failover.Dial(ctx, []string{"amqp://a?connection_timeout=1500;b;c"},
			failover.NetDialer(hang), quiet(), failover.ConnectTimeout(2*time.Second))
		require.ErrorIs(t, err, failover.ErrNoAnswer)
		require.Equal(t, []time.Duration{1500 * time.Millisecond, 2 * time.Second, 500 * time.Millisecond}, waits)
	})
}
