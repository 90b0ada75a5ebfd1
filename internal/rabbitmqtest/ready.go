//go:build unix

package rabbitmqtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

var errExited = errors.New("the process ended")

// poll calls ready until it reports true, the process ends or ctx does.
func poll(ctx context.Context, p *process, ready func() bool) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if p.running() && ready() {
			return nil
		}
		select {
		case <-p.gone:
			return fmt.Errorf("%w: %v", errExited, p.err) //nolint:errorlint // may be nil: exit status 0
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// greets reports whether the broker on port answers an AMQP client and has name in its
// greeting. The first frame of a broker, connection.start, has the name of its
// cluster, which is at first the node's name with the host's full name. So a node that lost
// its port to another process's node does not look ready.
func greets(ctx context.Context, port int, name string) bool {
	conn, err := dial(ctx, port)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(conn, "AMQP\x00\x00\x09\x01"); err != nil {
		return false
	}
	header := make([]byte, 1+2+4) // type, channel, size
	if _, err := io.ReadFull(conn, header); err != nil || header[0] != 1 {
		return false
	}
	payload := io.LimitReader(conn, int64(binary.BigEndian.Uint32(header[3:])))
	start, err := io.ReadAll(payload)
	return err == nil && bytes.Contains(start, []byte(name))
}

func dial(ctx context.Context, port int) (net.Conn, error) {
	dialer := net.Dialer{Timeout: time.Second}
	return dialer.DialContext(ctx, "tcp", loopback(port))
}
