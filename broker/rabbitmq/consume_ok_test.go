package rabbitmq_test

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// doubledConn repeats each basic.consume-ok, as RabbitMQ 3.10 may while a quorum queue changes its
// leader.
type doubledConn struct {
	net.Conn
	unread []byte
}

func (c *doubledConn) Read(b []byte) (int, error) {
	if len(c.unread) == 0 {
		read := make([]byte, len(b))
		n, err := c.Conn.Read(read)
		if err != nil {
			return n, err
		}
		c.unread = doubled(read[:n])
	}
	n := copy(b, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// doubled repeats the frame of a consume-ok. A frame split over two reads is left alone.
func doubled(read []byte) []byte {
	consumeOK := []byte("\x00\x3c\x00\x15\x06warren\xce")
	const header = 1 + 2 + 4 // type, channel, size
	i := bytes.Index(read, consumeOK)
	if i < header {
		return read
	}
	end := i + len(consumeOK)
	return bytes.Join([][]byte{read[:end], read[i-header : end], read[end:]}, nil)
}

// The client's reader would block on the second one, and the connection would be silent until a
// heartbeat cannot be written.
func TestAConsumeOKThatComesTwiceStopsNothing(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url, rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &doubledConn{Conn: conn}, err
	})))
	queue := declareQueue(t, url, nil)
	sub := subscribe(t, b, queue, 1)
	for _, body := range []string{"one", "two"} {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(body)))
		msg := receive(t, sub)
		require.Equal(t, body, string(msg.Body()))
		require.NoError(t, msg.Ack())
	}
	<-sub.Pause()
}
