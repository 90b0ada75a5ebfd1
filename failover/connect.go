package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/callback"
)

// frameSize is the proposed largest frame, RabbitMQ's own default.
const frameSize = 128 << 10

// connect connects to one node, once. When ctx or the connect timeout ends, the socket
// is closed, which ends the calls that wait on it: the client's own calls take no context.
func (d *dialer) connect(ctx context.Context, e Endpoint) (*Session, error) {
	timeout := cmp.Or(e.connectTimeout, d.connectTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w (%v)", ErrNoAnswer, timeout))
	defer cancel()

	e, version, err := d.login(ctx, e)
	if err != nil {
		return nil, err
	}
	socket, err := d.open(ctx, e)
	if err != nil {
		return nil, because(ctx, err)
	}
	forget := context.AfterFunc(ctx, func() { _ = socket.Close() })
	conn, stream, err := d.handshake(ctx, e, socket)
	if !forget() || err != nil {
		// ctx may have ended just after the last answer: the socket is closed then.
		_ = socket.Close()
		return nil, because(ctx, err)
	}
	session := &Session{
		node:    e.Address(),
		user:    e.userName(),
		conn:    conn,
		socket:  socket,
		stream:  stream,
		timeout: d.answerTimeout,
		since:   time.Now(),
		log:     d.log,
		status:  d.status,
		account: e.user,
		version: version,
		done:    make(chan struct{}),
		asking:  make(chan struct{}, 1),
		running: d.running,

		leaveCutOff: d.leaveCutOff,
		suspect:     make(chan struct{}, 1),
	}
	session.start()
	return session, nil
}

// open opens a socket to e in another goroutine, which the user's dialer may end by Goexit.
func (d *dialer) open(ctx context.Context, e Endpoint) (socket net.Conn, err error) {
	problem := callback.Apart("the function given to NetDialer", func() { socket, err = d.netDial(ctx, "tcp", e.Address()) })
	if problem != nil {
		return nil, problem
	}
	return socket, err
}

// because returns the reason why ctx ended, if it has: after that, err only says that the socket is
// closed, or blames the credentials.
func because(ctx context.Context, err error) error {
	var timeout net.Error
	if deadline, set := ctx.Deadline(); set && !time.Now().Before(deadline) && errors.As(err, &timeout) && timeout.Timeout() {
		<-ctx.Done() // a dialer has the same deadline, and may notice it a moment earlier
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return explain(err)
}

// handshake makes an AMQP connection of a socket. On an error the socket is the
// caller's to close, which also ends the client's goroutines.
func (d *dialer) handshake(ctx context.Context, e Endpoint, socket net.Conn) (*amqp.Connection, *stream, error) {
	if e.tls {
		var err error
		if socket, err = d.speakTLS(ctx, e, socket); err != nil {
			return nil, nil, err
		}
	}
	s := newStream(socket)
	conn, err := amqp.Open(s, d.clientConfig(e))
	if err != nil {
		return nil, nil, silent(e, err)
	}
	return conn, s, probe(conn)
}

// probe sends the node one request. Heartbeats notice a node that hangs only after the
// first frame that follows the handshake; until then nothing would.
func probe(conn *amqp.Connection) error {
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	return channel.Close()
}

// clientConfig is new for each dial: the client writes into it.
func (d *dialer) clientConfig(e Endpoint) amqp.Config {
	properties := amqp.Table{"product": "Warren", "platform": "Go"}
	maps.Copy(properties, d.properties)
	properties["connection_name"] = d.name
	heartbeat := d.heartbeat
	if e.heartbeat != nil {
		heartbeat = *e.heartbeat
	}
	return amqp.Config{
		SASL:       logins(e, properties),
		Vhost:      e.vhost,
		ChannelMax: e.channelMax,
		FrameSize:  frameSize,
		Heartbeat:  heartbeat,
		Properties: properties,
		Locale:     "en_US",
	}
}
