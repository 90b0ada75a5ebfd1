package rabbitmq_test

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// rawPublisher publishes messages whose header tables the client would not write.
type rawPublisher struct {
	socket  net.Conn
	channel *amqp.Channel
}

func newRawPublisher(t *testing.T, url string) *rawPublisher {
	t.Helper()
	p := &rawPublisher{}
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		var err error
		p.socket, err = (&net.Dialer{}).DialContext(context.Background(), network, address)
		return p.socket, err
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	p.channel, err = conn.Channel()
	require.NoError(t, err)
	return p
}

// publish publishes to a queue, with the table as it is on the wire, and returns once the broker has
// read it.
func (p *rawPublisher) publish(t *testing.T, queue, id, table string) {
	t.Helper()
	message := frame(1, "\x00\x3C\x00\x28\x00\x00", short(""), short(queue), "\x00") +
		frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x04", "\x20\x80", sized(table), short(id)) +
		frame(3, "body")
	_, err := p.socket.Write([]byte(message))
	require.NoError(t, err)
	_, err = p.channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	require.NoError(t, err)
}

func frame(kind byte, payload ...string) string {
	return string([]byte{kind, 0, 1}) + sized(strings.Join(payload, "")) + "\xCE"
}

func sized(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }

func short(s string) string { return string(byte(len(s))) + s }

// header is an entry of a table: its name, its type and its value.
func header(name string, value ...string) string { return short(name) + strings.Join(value, "") }

func longText(s string) string { return "S" + sized(s) }
