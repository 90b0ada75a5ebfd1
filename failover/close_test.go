package failover_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()})
	s := session(t, c)
	require.NoError(t, c.Close(limit(t, patience)))
	require.NoError(t, c.Close(limit(t, patience)))

	requireDone(t, s)
	require.ErrorIs(t, s.Err(), failover.ErrClosed)
	_, err := s.Channel(t.Context())
	require.ErrorIs(t, err, failover.ErrClosed)
	_, err = c.Session(t.Context())
	require.ErrorIs(t, err, failover.ErrClosed)
}

func TestCloseWithAContextThatIsOver(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Close(over)
	require.NoError(t, c.Close(limit(t, patience)))
}

func TestTheConnectionOutlivesTheContextOfDial(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, err := failover.Dial(ctx, []string{rabbitmqtest.Shared(t).URL()}, quiet(),
		failover.Backoff(time.Millisecond, time.Millisecond))
	require.NoError(t, err)
	cancel()
	session(t, c).Abort(nil)
	requireWorks(t, session(t, c))
	require.NoError(t, c.Close(limit(t, patience)))
}

func TestCloseWhileReconnectingStaysClosed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	c := dial(t, []string{node.URL()}, failover.Backoff(time.Millisecond, 10*time.Millisecond))
	s := session(t, c)
	node.Kill(t)
	requireDone(t, s)
	waiting := make(chan error)
	go func() {
		_, err := c.Session(t.Context())
		waiting <- err
	}()

	require.NoError(t, c.Close(limit(t, patience)))
	require.ErrorIs(t, <-waiting, failover.ErrClosed)
	node.Restart(t)
	require.Equal(t, "[]", node.Eval(t, "rabbit_networking:connections()"))
	_, err := c.Session(t.Context())
	require.ErrorIs(t, err, failover.ErrClosed)
}

// Close ends the supervisor in every state.
func TestCloseInEachState(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		phase   failover.Phase
		trouble func(*amqpfake.Network)
	}{
		{"connected", failover.Connected, func(*amqpfake.Network) {}},
		{"blocked", failover.Blocked, func(f *amqpfake.Network) {
			f.Latest().Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on memory"))
		}},
		{"lost, and the others down", failover.Lost, func(f *amqpfake.Network) {
			f.Set(func() { f.Down = map[string]bool{"a:5672": true, "b:5672": true} })
			f.Latest().Close()
		}},
		{"connecting, and the others hang", failover.Connecting, func(f *amqpfake.Network) {
			f.Set(func() { f.Answer = func(*amqpfake.Conn, amqpfake.Method) bool { return true } })
			f.Latest().Close()
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &amqpfake.Network{}
				c := dialFake(t, f, "amqp://a;b", failover.Backoff(time.Minute, time.Minute))
				s := session(t, c)
				row.trouble(f)
				time.Sleep(time.Second)
				require.Equal(t, row.phase, c.State().Phase)
				start := time.Now()
				require.NoError(t, c.Close(t.Context()))
				require.Zero(t, time.Since(start))
				require.Error(t, s.Err())
				require.Equal(t, failover.Closed, c.State().Phase)
				if row.phase == failover.Connected || row.phase == failover.Blocked {
					require.Equal(t, start, c.State().Since)
				} else {
					require.Equal(t, start.Add(-time.Second), c.State().Since)
				}
				dialed := len(f.Addresses())
				time.Sleep(time.Hour)
				require.Len(t, f.Addresses(), dialed)
			})
		})
	}
}

// The handshake with a node that comes back has several steps. Close comes
// just before and just after each step of the node. A
// connection that was left would keep the bubble from ending.
func TestCloseWhileTheNodeComesBackStaysClosed(t *testing.T) {
	t.Parallel()
	for _, at := range []amqpfake.Method{amqpfake.ConnectionStartOk, amqpfake.ConnectionOpen, amqpfake.ChannelOpen, amqpfake.ChannelClose} {
		for _, silent := range []bool{true, false} {
			t.Run(fmt.Sprint(at, silent), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := &amqpfake.Network{}
					c := dialFake(t, f, "amqp://a", failover.StableAfter(0))
					s := session(t, c)
					closing := make(chan struct{})
					f.Set(func() {
						f.Answer = func(_ *amqpfake.Conn, m amqpfake.Method) bool {
							if m == at {
								close(closing)
							}
							return m == at && silent
						}
					})
					f.Latest().Close()
					requireDone(t, s)
					<-closing
					start := time.Now()
					require.NoError(t, c.Close(t.Context()))
					require.Zero(t, time.Since(start))
					time.Sleep(time.Hour)
					require.Equal(t, failover.Closed, c.State().Phase)
					require.Len(t, f.Addresses(), 2)
				})
			})
		}
	}
}

// The moment after that: the handshake is over, and the status has no session yet.
func TestCloseBeforeTheNewSessionIsKnownStaysClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			c        *failover.Connection
			reopened atomic.Bool // for a moment
		)
		closed := make(chan struct{})
		f := &amqpfake.Network{}
		c = dialFake(t, f, "amqp://a", failover.StableAfter(0), failover.Logger(slog.New(hearing{"failover: connected", func() {
			if c == nil {
				return // it is the first
			}
			over, cancel := context.WithCancel(t.Context())
			cancel()
			_ = c.Close(over) // not waiting for the goroutine that it is called in
			f.Set(func() {
				f.Answer = func(*amqpfake.Conn, amqpfake.Method) bool {
					if c.State().Phase != failover.Closed {
						reopened.Store(true)
					}
					return false
				}
			})
			close(closed)
		}})))
		f.Latest().Close()
		<-closed
		require.NoError(t, c.Close(limit(t, time.Minute)))
		require.False(t, reopened.Load())
		require.Equal(t, failover.Closed, c.State().Phase)
		require.Len(t, f.Addresses(), 2)
	})
}

// hearing is a log that calls heard for each record with the message.
type hearing struct {
	message string
	heard   func()
}

func (h hearing) Enabled(context.Context, slog.Level) bool { return true }
func (h hearing) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h hearing) WithGroup(string) slog.Handler            { return h }

func (h hearing) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.heard()
	}
	return nil
}

// It is not parallel, so that the goroutines it looks at are its own.
func TestStartAndStopLeaveNothing(t *testing.T) {
	url := rabbitmqtest.Shared(t).URL()
	before := goleak.IgnoreCurrent()
	for i := range 200 {
		c, err := failover.Dial(limit(t, patience), []string{url}, quiet(),
			failover.Backoff(time.Millisecond, time.Millisecond))
		require.NoError(t, err)
		s := session(t, c)
		switch i % 4 {
		case 0:
			requireWorks(t, s)
		case 1:
			s.Abort(nil) // closes while it reconnects
		case 2:
			s.Abort(nil)
			session(t, c)
		}
		require.NoError(t, c.Close(limit(t, patience)))
	}
	goleak.VerifyNone(t, before)
}

func TestStressOfManyCallers(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.Backoff(time.Millisecond, time.Millisecond))
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for range 20 {
				s, err := c.Session(t.Context())
				if err != nil {
					return // closed
				}
				channel, err := s.Channel(t.Context())
				if err == nil {
					_ = channel.Close()
				}
				if i == 0 {
					s.Abort(nil)
				}
				_, _ = s.Blocked()
				_ = s.Unblocked(t.Context())
			}
		})
	}
	callers.Go(func() {
		for range 10 {
			session(t, c).Abort(nil)
		}
		_ = c.Close(limit(t, patience))
	})
	callers.Wait()
	_, err := c.Session(t.Context())
	require.ErrorIs(t, err, failover.ErrClosed)
}
