package frames_test

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover/internal/frames"
)

// BenchmarkClient lets the client take deliveries from memory, with the reader under it and without,
// in turn. It reports the median of the ratios of the times, and their quartiles.
func BenchmarkClient(b *testing.B) {
	for name, row := range map[string]struct{ body, messages int }{"100 B": {100, 20_000}, "100 KB": {100 << 10, 1000}} {
		b.Run(name, func(b *testing.B) {
			headers := field("swarrot_retry_attempts", long("l", 1)) + field("warren-original-exchange", text("mail")) + field("warren-original-routing-key", text("welcome"))
			stream := frame(1, "\x00\x3C\x00\x3C", short("warren"), "\x00\x00\x00\x00\x00\x00\x00\x01\x00", short("mail"), short("welcome")) +
				frame(2, "\x00\x3C\x00\x00", string(binary.BigEndian.AppendUint64(nil, uint64(row.body))), "\xB0\x80", short("application/json"), sized(headers), "\x02", short("0123456789")) +
				frame(3, strings.Repeat("b", row.body))
			var ratios []float64
			for range b.N {
				var took [2]time.Duration
				for _, with := range []int{0, 1} {
					took[with] = consume(b, stream, row.messages, with == 1)
				}
				ratios = append(ratios, float64(took[1])/float64(took[0]))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
			b.ReportMetric(ratios[len(ratios)/4], "q1")
			b.ReportMetric(ratios[len(ratios)*3/4], "q3")
		})
	}
}

// consume takes n deliveries with the client, and returns how long that took.
func consume(b *testing.B, stream string, n int, with bool) time.Duration {
	b.Helper()
	server := newServer(io.LimitReader(&endless{s: stream}, int64(n+1)*int64(len(stream))))
	var conn io.ReadWriteCloser = server
	if with {
		r := frames.NewReader(server)
		r.Limit(128 << 10)
		conn = struct {
			io.Reader
			io.Writer
			io.Closer
		}{r, server, server}
	}
	c, err := amqp.Open(conn, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{}}, FrameSize: 128 << 10})
	require.NoError(b, err)
	defer func() { _ = server.Close() }()
	ch, err := c.Channel()
	require.NoError(b, err)
	deliveries, err := ch.Consume("q", "warren", true, false, false, true, nil)
	require.NoError(b, err)
	<-deliveries
	start := time.Now()
	for range n {
		<-deliveries
	}
	return time.Since(start)
}

// server is a broker in memory that answers the client, and delivers once it consumes.
type server struct {
	answers    chan string
	current    string
	deliveries io.Reader
	closed     chan struct{}
	over       sync.Once
}

func newServer(deliveries io.Reader) *server {
	s := &server{answers: make(chan string, 10), deliveries: deliveries, closed: make(chan struct{})}
	s.answers <- onChannel0(frame(1, "\x00\x0A\x00\x0A\x00\x09", sized(""), sized("PLAIN"), sized("en_US")))
	return s
}

func onChannel0(frame string) string { return frame[:1] + "\x00\x00" + frame[3:] }

func (s *server) Write(p []byte) (int, error) {
	for method, answer := range map[string]string{
		"\x00\x0A\x00\x0B": onChannel0(frame(1, "\x00\x0A\x00\x1E\x00\x00\x00\x02\x00\x00\x00\x00")),
		"\x00\x0A\x00\x28": onChannel0(frame(1, "\x00\x0A\x00\x29\x00")),
		"\x00\x14\x00\x0A": frame(1, "\x00\x14\x00\x0B", sized("")),
		"\x00\x3C\x00\x14": "",
	} {
		if strings.Contains(string(p), method) {
			s.answers <- answer
		}
	}
	return len(p), nil
}

func (s *server) Read(p []byte) (int, error) {
	if s.answers == nil {
		n, err := s.deliveries.Read(p)
		if err == nil {
			return n, nil
		}
		<-s.closed
		return 0, errors.New("closed")
	}
	if s.current == "" {
		select {
		case s.current = <-s.answers:
			if s.current == "" {
				s.answers = nil
				return s.Read(p)
			}
		case <-s.closed:
			return 0, errors.New("closed")
		}
	}
	n := copy(p, s.current)
	s.current = s.current[n:]
	return n, nil
}

func (s *server) Close() error {
	s.over.Do(func() { close(s.closed) })
	return nil
}
