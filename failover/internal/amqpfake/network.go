// Package amqpfake is a network of brokers for tests: all channels and timers, so that it works in a
// bubble of synctest.
package amqpfake

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Method is the class and the method of an AMQP frame.
type Method struct{ Class, Method uint16 }

// The methods that the fake broker knows.
var (
	ConnectionStart        = Method{10, 10}
	ConnectionStartOk      = Method{10, 11}
	ConnectionTune         = Method{10, 30}
	ConnectionOpen         = Method{10, 40}
	ConnectionOpenOk       = Method{10, 41}
	ConnectionClose        = Method{10, 50}
	ConnectionCloseOk      = Method{10, 51}
	ConnectionBlocked      = Method{10, 60}
	ConnectionUnblocked    = Method{10, 61}
	ConnectionUpdateSecret = Method{10, 70}
	UpdateSecretOk         = Method{10, 71}
	ChannelOpen            = Method{20, 10}
	ChannelOpenOk          = Method{20, 11}
	ChannelClose           = Method{20, 40}
	ChannelCloseOk         = Method{20, 41}
	ExchangeUnbind         = Method{40, 40}
	ExchangeUnbindOk       = Method{40, 51}
)

// Network is a network of brokers that only know connections, channels and how to unbind.
// Change its fields within Set once it is in use.
type Network struct {
	mu     sync.Mutex
	dialed []string
	conns  []*Conn

	Down   map[string]bool          // by address: no broker listens
	Refuse map[string]bool          // by address: the password is wrong
	Opened func(conn *Conn)         // a connection is open; it runs in the broker's goroutine
	Answer func(*Conn, Method) bool // true: the broker's own answer is not sent
}

// ErrRefused is the error of dialling an address that is Down.
var ErrRefused = errors.New("connection refused")

// Dial is for failover.NetDialer.
func (f *Network) Dial(_ context.Context, _, address string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialed = append(f.dialed, address)
	if f.Down[address] {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ErrRefused}
	}
	client, broker := net.Pipe()
	c := &Conn{network: f, Address: address, conn: broker, refuse: f.Refuse[address]}
	f.conns = append(f.conns, c)
	go c.serve()
	return client, nil
}

// Set changes what the network is like.
func (f *Network) Set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *Network) hook() func(*Conn, Method) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Answer
}

// Addresses returns what was dialled so far.
func (f *Network) Addresses() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.dialed...)
}

// Latest is the newest connection.
func (f *Network) Latest() *Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns[len(f.conns)-1]
}

// Conn is the broker's end of a connection.
type Conn struct {
	Address string // of the node

	network *Network
	conn    net.Conn
	refuse  bool
	writing sync.Mutex
	channel atomic.Uint32 // the one that was opened last
}

func (c *Conn) serve() {
	defer c.Close()
	if _, err := io.ReadFull(c.conn, make([]byte, 8)); err != nil {
		return
	}
	c.Send(0, ConnectionStart, []byte{0, 9}, Long(properties), Long("PLAIN"), Long("en_US"))
	for {
		channel, m, err := c.read()
		if err != nil {
			return
		}
		if m == (Method{}) {
			c.write([]byte{8, 0, 0, 0, 0, 0, 0, 0xCE}) // a heartbeat for a heartbeat
			continue
		}
		if answer := c.network.hook(); answer == nil || !answer(c, m) {
			c.Reply(channel, m)
		}
	}
}

// Reply is the broker's own answer.
func (c *Conn) Reply(channel uint16, m Method) {
	switch m {
	case ConnectionStartOk:
		if c.refuse {
			c.HangUp(403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN")
			return
		}
		c.Send(0, ConnectionTune, []byte{7, 255, 0, 2, 0, 0, 0, 0})
	case ConnectionOpen:
		c.Send(0, ConnectionOpenOk, []byte{0})
	case ConnectionClose:
		c.Send(0, ConnectionCloseOk)
	case ConnectionUpdateSecret:
		c.Send(0, UpdateSecretOk)
	case ChannelOpen:
		c.channel.Store(uint32(channel))
		c.Send(channel, ChannelOpenOk, Long(""))
	case ExchangeUnbind:
		c.Send(channel, ExchangeUnbindOk)
	case ChannelClose:
		c.Send(channel, ChannelCloseOk)
		if channel == 1 && c.network.Opened != nil { // of the first question on the connection
			c.network.Opened(c)
		}
	}
}

// LastChannel is the one that was opened last.
func (c *Conn) LastChannel() uint16 { return uint16(c.channel.Load()) }

// HangUp closes the connection as a broker does.
func (c *Conn) HangUp(code uint16, text string) {
	c.Send(0, ConnectionClose, binary.BigEndian.AppendUint16(nil, code), Short(text), make([]byte, 4))
}

// CloseChannel closes the newest channel as a broker does.
func (c *Conn) CloseChannel(code uint16, text string) {
	c.Send(c.LastChannel(), ChannelClose, binary.BigEndian.AppendUint16(nil, code), Short(text), make([]byte, 4))
}

// Close cuts the connection.
func (c *Conn) Close() { _ = c.conn.Close() }

// Send sends a method with its arguments as they are on the wire.
func (c *Conn) Send(channel uint16, m Method, arguments ...[]byte) {
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

func (c *Conn) write(frame []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.conn.Write(frame)
}

// read reads a frame. Heartbeats have the method zero.
func (c *Conn) read() (channel uint16, m Method, err error) {
	header := make([]byte, 7)
	if _, err := io.ReadFull(c.conn, header); err != nil {
		return 0, Method{}, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(header[3:])+1)
	if _, err := io.ReadFull(c.conn, payload); err != nil {
		return 0, Method{}, err
	}
	if header[0] == 1 {
		m = Method{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
	}
	return binary.BigEndian.Uint16(header[1:]), m, nil
}

// Long is a text as a long string on the wire.
func Long(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// Short is a text as a short string on the wire.
func Short(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// properties are those of the server: product and version.
const properties = "\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x054.3.6"
