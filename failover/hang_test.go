package failover_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestNodesThatAreNoBrokers(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		answer func(net.Conn)
		want   error // nil: any
	}{
		{"silent", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, failover.ErrNoAnswer},
		{"closes", func(net.Conn) {}, nil},
		{"garbage", func(c net.Conn) { _, _ = c.Write(make([]byte, 1<<16)) }, nil},
		{"HTTP", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, nil},
		{"another protocol version", func(c net.Conn) { _, _ = io.WriteString(c, "AMQP\x00\x01\x00\x00") }, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			fake := serve(t, row.answer)
			options := []failover.Option{quiet(), failover.ConnectTimeout(200 * time.Millisecond)}

			_, err := failover.Dial(limit(t, time.Second), []string{fake}, options...)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, failover.ErrAuth)
			if row.want != nil {
				require.ErrorIs(t, err, row.want)
			}
			dial(t, []string{fake, rabbitmqtest.Shared(t).URL()}, failover.ConnectTimeout(5*time.Second))
		})
	}
}

// serve answers each connection with answer and closes it. It returns the URL.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				answer(conn)
			}()
		}
	}()
	return "amqp://" + l.Addr().String()
}

// A node may hang at any point of the handshake, and right after it, when no heartbeat
// is armed yet: here after each so many bytes from the broker.
func TestHangAnywhereInTheHandshake(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	var total atomic.Int64
	dial(t, []string{url}, failover.NetDialer(stall(1<<20, &total)))
	all := total.Load()
	require.Greater(t, all, int64(100))

	for _, n := range []int64{0, 1, 7, 100, all - 70, all - 60, all - 50, all - 40, all - 30, all - 20, all - 13, all - 12, all - 1} {
		t.Run(strconv.FormatInt(n, 10)+" bytes", func(t *testing.T) {
			t.Parallel()
			var read atomic.Int64
			start := time.Now()
			_, err := failover.Dial(limit(t, 900*time.Millisecond), []string{url}, quiet(),
				failover.NetDialer(stall(n, &read)), failover.ConnectTimeout(300*time.Millisecond))
			require.ErrorIs(t, err, failover.ErrNoAnswer)
			require.NotErrorIs(t, err, failover.ErrAuth)
			require.Less(t, time.Since(start), prompt)
			require.GreaterOrEqual(t, read.Load(), n)
		})
	}
}

// stall dials connections that read n bytes and then nothing until they are closed.
func stall(n int64, read *atomic.Int64) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &stallingConn{Conn: conn, left: n, read: read, closed: make(chan struct{})}, err
	}
}

type stallingConn struct {
	net.Conn
	left   int64
	read   *atomic.Int64
	closed chan struct{}
	once   atomic.Bool
}

func (c *stallingConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		<-c.closed
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.read.Add(int64(n))
	return n, err
}

func (c *stallingConn) Close() error {
	if c.once.CompareAndSwap(false, true) {
		close(c.closed)
	}
	return c.Conn.Close()
}

// pause stops a node and waits until it has stopped: the signal takes its time.
func pause(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	node.Pause(t)
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address(t, node))
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "AMQP\x00\x00\x09\x01")
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = conn.Read(make([]byte, 1))
		return errors.Is(err, os.ErrDeadlineExceeded)
	}, patience, time.Millisecond)
}

func TestPausedNodeIsPassedOver(t *testing.T) {
	t.Parallel()
	hung := rabbitmqtest.Start(t)
	pause(t, hung)
	start := time.Now()
	c := dial(t, []string{hung.URL(), rabbitmqtest.Shared(t).URL()}, failover.ConnectTimeout(500*time.Millisecond))
	requireWorks(t, session(t, c))
	require.Less(t, time.Since(start), prompt)
}

func TestNodeHangsRightAfterTheDial(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	c := dial(t, []string{node.URL()}, failover.AnswerTimeout(300*time.Millisecond), failover.ConnectTimeout(time.Second))
	s := session(t, c)
	pause(t, node)

	start := time.Now()
	_, err := s.Channel(limit(t, 50*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's own limit comes first")
	_, err = s.Channel(limit(t, patience))
	require.ErrorIs(t, err, failover.ErrLost)
	require.ErrorIs(t, err, failover.ErrNoAnswer)
	require.Less(t, time.Since(start), prompt)
	requireDone(t, s)

	node.Resume(t)
	requireWorks(t, session(t, c))
}

func TestHangDuringClose(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name          string
		answer, close time.Duration
		want          error
	}{
		{"the answer timeout ends it", 300 * time.Millisecond, patience, nil},
		{"the context ends it", patience, 300 * time.Millisecond, context.DeadlineExceeded},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Start(t)
			c := dial(t, []string{node.URL()}, failover.AnswerTimeout(row.answer))
			s := session(t, c)
			pause(t, node)

			start := time.Now()
			require.ErrorIs(t, c.Close(limit(t, row.close)), row.want)
			require.Less(t, time.Since(start), prompt)
			require.NoError(t, c.Close(limit(t, patience)), "soon nothing is left")
			require.Less(t, time.Since(start), prompt)
			require.ErrorIs(t, s.Err(), failover.ErrClosed)
		})
	}
}

// The client waits for the lock of each channel before it closes the socket, and a
// publisher holds its channel's lock while it waits for the socket.
func TestAPublisherThatHangsInAWriteIsReleased(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		end  func(*testing.T, *failover.Connection)
		opts []failover.Option
	}{
		{
			"by the heartbeats", func(*testing.T, *failover.Connection) {},
			[]failover.Option{failover.Heartbeat(time.Second), failover.ConnectTimeout(time.Second)},
		},
		{
			"by Close", func(t *testing.T, c *failover.Connection) { require.NoError(t, c.Close(limit(t, patience))) },
			[]failover.Option{failover.AnswerTimeout(time.Second)},
		},
		{
			"by the deadline of Close", func(t *testing.T, c *failover.Connection) {
				require.ErrorIs(t, c.Close(limit(t, time.Second)), context.DeadlineExceeded)
			},
			[]failover.Option{failover.AnswerTimeout(patience)},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Start(t)
			c := dial(t, []string{node.URL()}, row.opts...)
			s := session(t, c)
			released := hangInAWrite(t, node, s)
			start := time.Now()
			row.end(t, c)
			requireDone(t, s)
			select {
			case err := <-released:
				require.Error(t, err)
			case <-time.After(patience):
				require.Fail(t, "the publisher hangs")
			}
			require.Less(t, time.Since(start), prompt)
			require.NoError(t, c.Close(limit(t, patience)))
		})
	}
}

// hangInAWrite pauses the node and publishes until a write goes on for some time. The
// channel gets the error of that write.
func hangInAWrite(t *testing.T, node *rabbitmqtest.Node, s *failover.Session) <-chan error {
	t.Helper()
	channel, err := s.Channel(limit(t, patience))
	require.NoError(t, err)
	pause(t, node)
	released := make(chan error, 1)
	var published atomic.Int64
	go func() {
		var err error
		for err == nil {
			err = channel.PublishWithContext(context.Background(), "", "nowhere", false, false,
				amqp.Publishing{Body: make([]byte, 1<<20)})
			published.Add(1)
		}
		released <- err
	}()
	before := int64(-1)
	require.Eventually(t, func() bool {
		now := published.Load()
		still := now == before
		before = now
		return still
	}, patience, 100*time.Millisecond)
	return released
}

func TestAbort(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.Backoff(time.Millisecond, time.Millisecond))
	s := session(t, c)
	why := errors.New("it does not confirm")
	s.Abort(why)
	s.Abort(errors.New("again"))
	requireDone(t, s)
	require.ErrorIs(t, s.Err(), failover.ErrLost)
	require.ErrorIs(t, s.Err(), why)
	requireWorks(t, session(t, c))
}
