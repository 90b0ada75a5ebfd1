package ensure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

// retries runs an operation that always fails on a node that is up, and returns the
// waits that were announced and those that passed before each try.
func retries(t *testing.T, opts ...ensure.Option) (announced, waited []time.Duration, err error) {
	t.Helper()
	c := dialFake(t, &amqpfake.Network{}, "amqp://a")
	var last time.Time
	opts = append(opts, ensure.OnError(func(err error, next time.Duration) {
		require.ErrorIs(t, err, ensure.ErrRetry)
		announced = append(announced, next)
	}))
	err = ensure.Do(t.Context(), c, func(context.Context, *amqp.Channel) error {
		if !last.IsZero() {
			waited = append(waited, time.Since(last))
		}
		last = time.Now()
		return fmt.Errorf("not confirmed: %w", ensure.ErrRetry)
	}, opts...)
	closeNow(t, c)
	return announced, waited, err
}

// kombu: errback(exc, interval), interval_start, interval_step and interval_max.
func TestIntervals(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		opts []ensure.Option
		want []int // seconds
	}{
		{"by default", nil, []int{0, 1, 1, 1, 1}},
		{"steps", []ensure.Option{ensure.Interval(time.Second, 2*time.Second, 6*time.Second)}, []int{1, 3, 5, 6, 6}},
		{"kombu's", []ensure.Option{ensure.Interval(time.Second, time.Second, time.Second)}, []int{1, 1, 1, 1, 1}},
		{"no steps", []ensure.Option{ensure.Interval(2*time.Second, 0, math.MaxInt64)}, []int{2, 2, 2, 2, 2}},
		{"none", []ensure.Option{ensure.Interval(0, 0, 0)}, []int{0, 0, 0, 0, 0}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var want []time.Duration
				for _, seconds := range row.want {
					want = append(want, time.Duration(seconds)*time.Second)
				}
				announced, waited, err := retries(t, append(row.opts, ensure.Retries(5))...)
				require.Equal(t, want, announced)
				require.Equal(t, want, waited)
				require.ErrorIs(t, err, ensure.ErrRetry)
				require.EqualError(t, err, "ensure: the operation failed, tries: 6: not confirmed: try again")
			})
		})
	}
}

func TestIntervalsNeverOverflow(t *testing.T) {
	t.Parallel()
	const long = time.Duration(math.MaxInt64 / 3)
	for i, want := range []time.Duration{0, long, 2 * long, 2 * long, 2 * long} {
		require.Equal(t, want, ensure.IntervalOf(i+1, ensure.Interval(0, long, 2*long)))
	}
	require.Equal(t, time.Second, ensure.IntervalOf(math.MaxInt))
}

// kombu: conn.ensure(producer, producer.publish, errback=errback, max_retries=3), with
// every broker down. Each round of attempts is a try.
func TestMaxRetriesWhileEverythingIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{}}
		c := dialFake(t, f, "amqp://a;b")
		f.Set(func() { f.Down["a:5672"], f.Down["b:5672"] = true, true })
		var told []error
		tries := 0
		err := ensure.Do(t.Context(), c, func(ctx context.Context, _ *amqp.Channel) error {
			tries++
			f.Latest().Close()
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), failover.ErrLost)
			return ctx.Err()
		}, ensure.Retries(3), ensure.Interval(0, 0, 0), ensure.OnError(func(err error, _ time.Duration) { told = append(told, err) }))

		require.Equal(t, 1, tries)
		require.Len(t, told, 3)
		require.ErrorIs(t, told[0], context.Canceled)
		require.ErrorIs(t, told[1], amqpfake.ErrRefused)
		require.ErrorContains(t, err, "tries: 4")
		require.ErrorIs(t, err, failover.ErrLost)
		require.ErrorContains(t, err, "node a:5672: ")
		require.ErrorContains(t, err, "node b:5672: ")
		require.Len(t, f.Addresses(), 1+1+2+2, "a dial, the rest of its round, and two more rounds")

		f.Set(func() { clear(f.Down) })
		require.NoError(t, ensure.Do(t.Context(), c, nothing), "the connection goes on")
		closeNow(t, c)
	})
}

func TestWithoutALimitTheContextEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{}}
		c := dialFake(t, f, "amqp://a")
		start := time.Now()
		err := ensure.Do(limit(t, time.Hour), c, func(context.Context, *amqp.Channel) error { return ensure.ErrRetry })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ensure.ErrRetry)
		require.Regexp(t, "tries: 360[12]:", err) // at the deadline, both may be
		require.Equal(t, time.Hour, time.Since(start))

		f.Set(func() { f.Down["a:5672"] = true })
		f.Latest().Close()
		synctest.Wait()
		why := errors.New("the operator pressed the button")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(why) })
		err = ensure.Do(ctx, c, nothing)
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, amqpfake.ErrRefused)

		err = ensure.Do(ctx, c, nothing)
		require.ErrorIs(t, err, why, "it is over already")
		require.ErrorContains(t, err, "tries: 1")
		closeNow(t, c)
	})
}

func TestAnErrorOfTheOperationIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		elsewhere := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("the shop is closed")}
		for _, own := range []error{errors.New("my own"), io.EOF, elsewhere, context.DeadlineExceeded, context.Canceled} {
			tries := 0
			err := ensure.Do(t.Context(), c, func(context.Context, *amqp.Channel) error {
				tries++
				return own
			}, ensure.OnError(func(error, time.Duration) { t.Error("there is no other try") }))
			require.Equal(t, own, err)
			require.Equal(t, 1, tries)
		}
		closeNow(t, c)
	})
}

// The broker's error decides, whatever error the operation returns.
func TestWhatTheBrokerSays(t *testing.T) {
	t.Parallel()
	rows := []struct {
		code  uint16
		text  string
		tries int // 2: another one
	}{
		{403, "ACCESS_REFUSED - write access to exchange 'x' refused", 1},
		{404, "NOT_FOUND - no queue 'q' in vhost '/'", 1},
		{404, "NOT_FOUND - no exchange 'x' in vhost '/'", 1},
		{404, "NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible", 2},
		{405, "RESOURCE_LOCKED - cannot obtain exclusive access", 2},
		{406, "PRECONDITION_FAILED - inequivalent arg", 1},
	}
	for _, row := range rows {
		t.Run(row.text, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &amqpfake.Network{}
				c := dialFake(t, f, "amqp://a")
				tries := 0
				err := ensure.Do(t.Context(), c, func(_ context.Context, channel *amqp.Channel) error {
					tries++
					if tries == 2 {
						return nil
					}
					closed := channel.NotifyClose(make(chan *amqp.Error, 1))
					f.Latest().CloseChannel(row.code, row.text)
					<-closed
					return fmt.Errorf("not confirmed: %w", ensure.ErrRetry)
				})
				require.Equal(t, row.tries, tries)
				if row.tries == 1 {
					require.ErrorContains(t, err, row.text)
					require.ErrorContains(t, err, "tries: 1: not confirmed")
					var reply *amqp.Error
					require.ErrorAs(t, err, &reply)
					require.Equal(t, int(row.code), reply.Code)
				} else {
					require.NoError(t, err)
				}
				closeNow(t, c)
			})
		})
	}
}

// An operation that makes the broker close the connection would do so without end, for all
// users of it; one that was hit by another user's mistake is tried again.
func TestWhatEndsTheConnectionIsTriedTwice(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name  string
		codes []uint16 // of the tries that fail
		tries int
		fails bool
	}{
		{"unlucky", []uint16{503}, 2, false},
		{"the culprit", []uint16{503, 503, 503}, 2, true},
		{"unlucky, and a restart", []uint16{503, 320, 503}, 4, false},
		{"an unstable broker", []uint16{541, 541, 320, 320}, 5, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &amqpfake.Network{}
				c := dialFake(t, f, "amqp://a")
				tries := 0
				err := ensure.Do(t.Context(), c, func(ctx context.Context, _ *amqp.Channel) error {
					tries++
					if tries > len(row.codes) {
						return nil
					}
					go f.Latest().HangUp(row.codes[tries-1], "why not")
					<-ctx.Done()
					return ctx.Err()
				})
				require.Equal(t, row.fails, err != nil)
				require.Equal(t, row.tries, tries)
				closeNow(t, c)
			})
		})
	}
}

func TestTheChannelIsNewAndClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		var used, revived []*amqp.Channel
		require.NoError(t, ensure.Do(t.Context(), c, func(_ context.Context, channel *amqp.Channel) error {
			require.False(t, channel.IsClosed())
			if len(used) > 0 {
				require.True(t, used[len(used)-1].IsClosed())
			}
			used = append(used, channel)
			require.Equal(t, used, revived)
			if len(used) < 3 {
				return ensure.ErrRetry
			}
			return nil
		}, ensure.OnRevive(func(channel *amqp.Channel) { revived = append(revived, channel) })))
		require.Len(t, used, 3)
		require.True(t, used[2].IsClosed())

		closeNow(t, c)
	})
}

// Whichever of the caller's functions panics: the panic reaches the caller, the channel is
// closed, and the connection lives.
func TestAPanicClosesTheChannel(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		fail func(*amqp.Channel) // in the operation
		opts []ensure.Option
	}{
		{"the operation", func(*amqp.Channel) { panic("boom") }, nil},
		{"OnRevive", func(*amqp.Channel) {}, []ensure.Option{ensure.OnRevive(func(*amqp.Channel) { panic("boom") })}},
		{"OnError", func(*amqp.Channel) {}, []ensure.Option{ensure.OnError(func(error, time.Duration) { panic("boom") })}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &amqpfake.Network{}
				opened, closed := 0, 0
				f.Set(func() {
					f.Answer = func(_ *amqpfake.Conn, m amqpfake.Method) bool {
						switch m {
						case amqpfake.ChannelOpen:
							opened++
						case amqpfake.ChannelClose:
							closed++
						}
						return false
					}
				})
				c := dialFake(t, f, "amqp://a")
				op := func(_ context.Context, channel *amqp.Channel) error {
					row.fail(channel)
					return ensure.ErrRetry
				}
				require.PanicsWithValue(t, "boom", func() { _ = ensure.Do(t.Context(), c, op, row.opts...) })
				require.PanicsWithValue(t, "boom", func() { _, _ = ensure.AutoRetry(t.Context(), c, nil, op, row.opts...) })
				channel, err := session(t, c).Channel(t.Context())
				require.NoError(t, err)
				require.PanicsWithValue(t, "boom", func() { _, _ = ensure.AutoRetry(t.Context(), c, channel, op, row.opts...) })
				require.True(t, channel.IsClosed())
				require.Equal(t, opened, closed)
				require.GreaterOrEqual(t, opened, 4, "that of the dial, and three more")
				require.NoError(t, c.Ready())
				closeNow(t, c)
			})
		})
	}
}

// deaf is a socket whose end is noticed by a write first.
type deaf struct {
	net.Conn
	dead *atomic.Bool
}

func (d *deaf) Write(b []byte) (int, error) {
	if d.dead.Load() {
		_ = d.Close() // the reader hears of it, too, and not before
		return 0, io.ErrClosedPipe
	}
	return d.Conn.Write(b)
}

// A write to a dead socket fails with the socket's error, and not with one of AMQP's.
func TestAWriteThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		var dead atomic.Bool // only the first connection
		c := dial(t, []string{"amqp://a"}, failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := f.Dial(ctx, network, address)
			if len(f.Addresses()) == 1 {
				conn = &deaf{conn, &dead}
			}
			return conn, err
		}))
		var first error
		tries := 0
		require.NoError(t, ensure.Do(t.Context(), c, func(ctx context.Context, channel *amqp.Channel) error {
			if tries++; tries == 2 {
				return nil
			}
			dead.Store(true)
			first = channel.PublishWithContext(ctx, "", "q", false, false, amqp.Publishing{})
			return first
		}))
		require.ErrorIs(t, first, io.ErrClosedPipe)
		closeNow(t, c)
	})
}

// The node hangs in the middle of a call that knows no context.
func TestACallThatHangsEndsWithTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a;b")
		hang := make(chan struct{})
		f.Set(func() {
			f.Answer = func(c *amqpfake.Conn, m amqpfake.Method) bool {
				if m.Class == 50 && c.Address == "a:5672" { // a queue
					<-hang
				}
				return false
			}
		})
		start := time.Now()
		tries := 0
		require.NoError(t, ensure.Do(t.Context(), c, func(ctx context.Context, channel *amqp.Channel) error {
			if tries++; tries == 2 {
				return nil
			}
			return declare("q")(ctx, channel)
		}))
		require.Equal(t, "b:5672", session(t, c).Node())
		require.LessOrEqual(t, time.Since(start), 35*time.Second, "heartbeats are 10 s apart")
		close(hang)
		closeNow(t, c)
	})
}

func TestEnsureWaitsWhileTheNodeBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a")
		f.Latest().Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on memory"))
		synctest.Wait()
		require.ErrorIs(t, ensure.Do(limit(t, time.Second), c, nothing), context.DeadlineExceeded)
		conn := f.Latest()
		time.AfterFunc(time.Hour, func() { conn.Send(0, amqpfake.ConnectionUnblocked) })
		start := time.Now()
		require.NoError(t, ensure.Do(t.Context(), c, nothing))
		require.Equal(t, time.Hour, time.Since(start))
		closeNow(t, c)
	})
}

// The work is done: closing the channel must not hang.
func TestTheGoodbyeOfEnsureIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a", failover.AnswerTimeout(3*time.Second))
		f.Set(func() {
			f.Answer = func(_ *amqpfake.Conn, m amqpfake.Method) bool { return m == amqpfake.ChannelClose }
		})
		start := time.Now()
		require.NoError(t, ensure.Do(t.Context(), c, nothing))
		require.Equal(t, 3*time.Second, time.Since(start), "the node does not answer")
		require.NoError(t, ensure.Do(limit(t, time.Second), c, nothing))
		require.Equal(t, 4*time.Second, time.Since(start), "the context is over")

		require.NoError(t, ensure.Do(t.Context(), c, func(context.Context, *amqp.Channel) error {
			f.Latest().Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on memory"))
			synctest.Wait()
			return nil
		}))
		require.Equal(t, 4*time.Second, time.Since(start), "it blocks, and answers nothing")
		closeNow(t, c)
	})
}

func TestTheWaitBeforeARetryEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		start := time.Now()
		hourly := ensure.Interval(time.Hour, 0, time.Hour)
		again := func(context.Context, *amqp.Channel) error { return ensure.ErrRetry }
		require.ErrorIs(t, ensure.Do(limit(t, time.Second), c, again, hourly), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))

		tries := 0
		err := ensure.Do(t.Context(), c, func(ctx context.Context, _ *amqp.Channel) error {
			tries++
			closing := context.WithoutCancel(ctx)
			time.AfterFunc(time.Minute, func() { _ = c.Close(closing) })
			return ensure.ErrRetry
		}, hourly)
		require.ErrorIs(t, err, failover.ErrClosed)
		require.Equal(t, time.Minute+time.Second, time.Since(start), "not an hour")
		require.Equal(t, 1, tries)
		require.ErrorIs(t, ensure.Do(t.Context(), c, nothing), failover.ErrClosed)
	})
}

func TestWrongEnsureOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		for text, opt := range map[string]ensure.Option{
			"an option is nil":                    nil,
			"at most -2 retries":                  ensure.Retries(-2),
			"the first wait of Interval is 1ns":   ensure.Interval(1, 0, time.Second),
			"the step of Interval is 1ns":         ensure.Interval(0, 1, time.Second),
			"the longest wait of Interval is 1ns": ensure.Interval(0, 0, 1),
			"intervals from -1ns":                 ensure.Interval(-1, 0, 0),
			"in steps of -1ns":                    ensure.Interval(0, -1, 0),
			"intervals from 2ns to 1ns":           ensure.Interval(2, 0, 1),
		} {
			require.ErrorContains(t, ensure.Do(t.Context(), c, nothing, opt), text)
			_, err := ensure.AutoRetry(t.Context(), c, nil, nothing, opt)
			require.ErrorContains(t, err, text)
		}
		require.ErrorContains(t, ensure.Do(t.Context(), c, nil), "the operation is nil")
		require.NoError(t, ensure.Do(t.Context(), c, nothing, ensure.OnError(nil), ensure.OnRevive(nil)))
		closeNow(t, c)
	})
}
