package rabbitmq_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
)

// link is a network between clients and a node that passes on whole frames, until told otherwise.
type link struct {
	t        *testing.T
	node     string
	listener net.Listener
	running  sync.WaitGroup

	rate     atomic.Int64                       // bytes a second, 0 for no limit
	consumes atomic.Int64                       // basic.consume that have passed
	before   atomic.Pointer[func(frame []byte)] // is called before a frame reaches the node

	mu    sync.Mutex
	pairs map[*pair]bool
}

// pair is one connection through the link: its two sockets.
type pair struct {
	link         *link
	client, node net.Conn
	channel      atomic.Uint32 // which consumes

	writing sync.Mutex // to the client

	upLost, downLost atomic.Bool // data sent that way never arrives
	torn             atomic.Bool // cut in the middle of the next frame to the client
	forgotten        atomic.Bool // the node does not hear of the client's end
}

func newLink(t *testing.T, url string) *link {
	t.Helper()
	uri, err := amqp.ParseURI(url)
	require.NoError(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{
		t: t, node: (&net.TCPAddr{IP: net.ParseIP(uri.Host), Port: uri.Port}).String(),
		listener: listener, pairs: map[*pair]bool{},
	}
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *link) option() rabbitmq.Option {
	return rabbitmq.Failover(
		failover.NetDialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.listener.Addr().String())
		}),
		failover.Heartbeat(time.Second), failover.Backoff(10*time.Millisecond, 100*time.Millisecond))
}

func (l *link) close() {
	_ = l.listener.Close()
	l.each(func(p *pair) { p.cut() })
	l.running.Wait()
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		node, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.node)
		if err != nil {
			_ = client.Close()
			continue
		}
		p := &pair{link: l, client: client, node: node}
		l.mu.Lock()
		l.pairs[p] = true
		l.mu.Unlock()
		l.running.Go(p.up)
		l.running.Go(p.down)
	}
}

// each does something to every current connection. Later ones are whole.
func (l *link) each(f func(*pair)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		f(p)
	}
}

// consuming does something to the consuming connections, and returns how many.
func (l *link) consuming(f func(*pair)) (n int) {
	l.each(func(p *pair) {
		if p.channel.Load() != 0 {
			n++
			f(p)
		}
	})
	return n
}

func (p *pair) cut() {
	_ = p.client.Close()
	_ = p.node.Close()
}

// over forgets the pair.
func (p *pair) over() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	delete(p.link.pairs, p)
}

var (
	basicConsume = []byte{0, 60, 0, 20}
	basicCancel  = []byte{0, 60, 0, 30}
)

// up passes on data from the client.
func (p *pair) up() {
	r := bufio.NewReader(p.client)
	greeting := make([]byte, 8)
	_, err := io.ReadFull(r, greeting)
	for frame := greeting; err == nil; frame, err = readFrame(r) {
		if isMethod(frame, basicConsume) {
			p.channel.Store(uint32(binary.BigEndian.Uint16(frame[1:])))
			p.link.consumes.Add(1)
		}
		if before := p.link.before.Load(); before != nil {
			(*before)(frame)
		}
		if !p.upLost.Load() {
			_ = p.link.write(p.node, frame)
		}
	}
	if p.forgotten.Load() {
		return // down closes it when the node gives up
	}
	p.over()
	_ = p.node.Close()
}

// down passes on data from the node.
func (p *pair) down() {
	r := bufio.NewReader(p.node)
	for {
		frame, err := readFrame(r)
		if err != nil {
			break
		}
		if p.downLost.Load() {
			continue
		}
		p.writing.Lock()
		if p.torn.Load() && len(frame) > 8 {
			_, _ = p.client.Write(frame[:len(frame)/2])
			_ = p.client.Close()
		} else {
			_ = p.link.write(p.client, frame)
		}
		p.writing.Unlock()
	}
	p.over()
	_ = p.node.Close()
	if !p.downLost.Load() { // the close is lost too
		_ = p.client.Close()
	}
}

// cancel sends the client a cancel of its consumer, as RabbitMQ does when a queue is deleted or
// moves and, from 4.3 on, after the consumer timeout. The node itself knows nothing of it.
func (p *pair) cancel() {
	payload := append(append([]byte{}, basicCancel...), byte(len("warren")))
	payload = append(append(payload, "warren"...), 1)
	frame := []byte{1}
	frame = binary.BigEndian.AppendUint16(frame, uint16(p.channel.Load()))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(payload)))
	frame = append(append(frame, payload...), 0xce)
	p.writing.Lock()
	defer p.writing.Unlock()
	_, _ = p.client.Write(frame)
}

// write takes the time that the rate requires.
func (l *link) write(to net.Conn, b []byte) error {
	for len(b) > 0 {
		n, rate := len(b), l.rate.Load()
		if rate > 0 {
			n = min(n, 4<<10)
			<-time.After(time.Duration(n) * time.Second / time.Duration(rate))
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, len(head)+int(binary.BigEndian.Uint32(head[3:]))+1)
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[len(head):])
	return frame, err
}

func isMethod(frame, method []byte) bool { return frame[0] == 1 && bytes.HasPrefix(frame[7:], method) }
