package rabbitmq_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
)

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// wire is a network whose dials and connections the test controls.
type wire struct {
	mu    sync.Mutex
	conns []*wireConn
	dial  dial

	torn  atomic.Bool // the next large write is cut in the middle
	mute  atomic.Bool // nothing arrives after the next write that contains frame
	frame []byte
	muted atomic.Bool
}

func newWire() *wire { return &wire{dial: (&net.Dialer{}).DialContext} }

func (w *wire) option() rabbitmq.Option { return rabbitmq.Failover(w.dialer()) }

func (w *wire) dialer() failover.Option {
	return failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		dial := w.dial
		w.mu.Unlock()
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		c := &wireConn{Conn: conn, wire: w}
		w.conns = append(w.conns, c)
		return c, nil
	})
}

// cut closes all connections, and makes next open later ones.
func (w *wire) cut(next dial) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dial = next
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// stuck reports whether a write on one of the connections has been in progress since the last call.
func (w *wire) stuck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		begun := c.begun.Load()
		if begun > c.done.Load() && begun == c.seen {
			return true
		}
		c.seen = begun
	}
	return false
}

// writes counts those of the connections that are open.
func (w *wire) writes() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var n int64
	for _, c := range w.conns {
		n += c.done.Load()
	}
	return n
}

type wireConn struct {
	net.Conn
	wire        *wire
	begun, done atomic.Int64 // writes
	seen        int64        // begun, when stuck was called last
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.begun.Add(1)
	defer c.done.Add(1)
	if len(b) > 100 && c.wire.torn.CompareAndSwap(true, false) {
		_, _ = c.Conn.Write(b[:len(b)/2])
		_ = c.Close()
		return 0, net.ErrClosed
	}
	if c.wire.mute.Load() && bytes.Contains(b, c.wire.frame) {
		c.wire.muted.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.wire.muted.Load() {
			return n, err
		}
	}
}

// silent dials a listener that accepts and never answers.
func silent(t *testing.T) dial {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
	}
}

// down dials an address without a listener.
func down(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}
