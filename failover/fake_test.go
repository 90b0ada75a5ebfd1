package failover_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gowarren/warren/failover"
)

// method is the class and the method of an AMQP frame.
type method struct{ class, method uint16 }

// What the fake broker knows.
var (
	connectionStart        = method{10, 10}
	connectionStartOk      = method{10, 11}
	connectionTune         = method{10, 30}
	connectionOpen         = method{10, 40}
	connectionOpenOk       = method{10, 41}
	connectionClose        = method{10, 50}
	connectionCloseOk      = method{10, 51}
	connectionBlocked      = method{10, 60}
	connectionUnblocked    = method{10, 61}
	connectionUpdateSecret = method{10, 70}
	updateSecretOk         = method{10, 71}
	channelOpen            = method{20, 10}
	channelOpenOk          = method{20, 11}
	channelClose           = method{20, 40}
	channelCloseOk         = method{20, 41}
	exchangeUnbind         = method{40, 40}
	exchangeUnbindOk       = method{40, 51}
)

// fake is a network of brokers that know connections, channels and how to unbind, and nothing else. It
// is all channels and timers, so it works in a bubble of synctest.
type fake struct {
	mu     sync.Mutex
	dialed []string
	conns  []*fakeConn

	down   map[string]bool              // by address: nobody listens
	refuse map[string]bool              // by address: the password is wrong
	opened func(conn *fakeConn)         // a connection is open; it runs in the broker's goroutine
	answer func(*fakeConn, method) bool // true: the broker's own answer is not sent
}

var errRefusedConnection = &net.OpError{Op: "dial", Net: "tcp", Err: errRefused}

func (f *fake) dial(_ context.Context, _, address string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialed = append(f.dialed, address)
	if f.down[address] {
		return nil, errRefusedConnection
	}
	client, broker := net.Pipe()
	c := &fakeConn{fake: f, address: address, conn: broker, refuse: f.refuse[address]}
	f.conns = append(f.conns, c)
	go c.serve()
	return client, nil
}

// set changes what the network is like.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) hook() func(*fakeConn, method) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answer
}

// addresses returns what was dialled so far.
func (f *fake) addresses() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.dialed...)
}

// latest is the newest connection.
func (f *fake) latest() *fakeConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns[len(f.conns)-1]
}

// fakeConn is the broker's end of a connection.
type fakeConn struct {
	fake    *fake
	address string
	conn    net.Conn
	refuse  bool
	writing sync.Mutex
	channel atomic.Uint32 // the one that was opened last
}

func (c *fakeConn) serve() {
	defer c.close()
	if _, err := io.ReadFull(c.conn, make([]byte, 8)); err != nil {
		return
	}
	c.send(0, connectionStart, []byte{0, 9}, long(properties), long("PLAIN"), long("en_US"))
	for {
		channel, m, err := c.read()
		if err != nil {
			return
		}
		if m == (method{}) {
			c.write([]byte{8, 0, 0, 0, 0, 0, 0, 0xCE}) // a heartbeat for a heartbeat
			continue
		}
		if answer := c.fake.hook(); answer == nil || !answer(c, m) {
			c.reply(channel, m)
		}
	}
}

func (c *fakeConn) reply(channel uint16, m method) {
	switch m {
	case connectionStartOk:
		if c.refuse {
			c.hangUp(403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN")
			return
		}
		c.send(0, connectionTune, []byte{7, 255, 0, 2, 0, 0, 0, 0})
	case connectionOpen:
		c.send(0, connectionOpenOk, []byte{0})
	case connectionClose:
		c.send(0, connectionCloseOk)
	case connectionUpdateSecret:
		c.send(0, updateSecretOk)
	case channelOpen:
		c.channel.Store(uint32(channel))
		c.send(channel, channelOpenOk, long(""))
	case exchangeUnbind:
		c.send(channel, exchangeUnbindOk)
	case channelClose:
		c.send(channel, channelCloseOk)
		if channel == 1 && c.fake.opened != nil { // of the first question on the connection
			c.fake.opened(c)
		}
	}
}

// hangUp closes the connection as a broker does.
func (c *fakeConn) hangUp(code uint16, text string) {
	c.send(0, connectionClose, binary.BigEndian.AppendUint16(nil, code), short(text), make([]byte, 4))
}

// closeChannel closes the newest channel as a broker does.
func (c *fakeConn) closeChannel(code uint16, text string) {
	c.send(uint16(c.channel.Load()), channelClose, binary.BigEndian.AppendUint16(nil, code), short(text), make([]byte, 4))
}

func (c *fakeConn) close() { _ = c.conn.Close() }

func (c *fakeConn) send(channel uint16, m method, arguments ...[]byte) {
	var payload bytes.Buffer
	_ = binary.Write(&payload, binary.BigEndian, m)
	for _, a := range arguments {
		payload.Write(a)
	}
	frame := []byte{1}
	frame = binary.BigEndian.AppendUint16(frame, channel)
	frame = binary.BigEndian.AppendUint32(frame, uint32(payload.Len()))
	frame = append(append(frame, payload.Bytes()...), 0xCE)
	c.write(frame)
}

func (c *fakeConn) write(frame []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.conn.Write(frame)
}

// read reads a frame. Heartbeats have the method zero.
func (c *fakeConn) read() (channel uint16, m method, err error) {
	header := make([]byte, 7)
	if _, err := io.ReadFull(c.conn, header); err != nil {
		return 0, method{}, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(header[3:])+1)
	if _, err := io.ReadFull(c.conn, payload); err != nil {
		return 0, method{}, err
	}
	if header[0] == 1 {
		m = method{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
	}
	return binary.BigEndian.Uint16(header[1:]), m, nil
}

func long(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func short(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// dialFake connects to the fake network, and closes when the test is over.
func dialFake(t *testing.T, f *fake, url string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	return dial(t, []string{url}, append([]failover.Option{failover.NetDialer(f.dial)}, opts...)...)
}

// properties are those of the server: product and version.
const properties = "\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x054.3.6"
