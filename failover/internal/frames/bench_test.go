//go:build unix

package frames_test

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover/internal/frames"
)

// BenchmarkClient lets the client take deliveries from memory, with the reader under it and without,
// in turn. It reports the median of the ratios of the processor times, and their quartiles.
func BenchmarkClient(b *testing.B) {
	for name, row := range map[string]struct{ body, messages int }{"100 B": {100, 5000}, "100 KB": {100 << 10, 300}} {
		b.Run(name, func(b *testing.B) {
			headers := field("swarrot_retry_attempts", long("l", 1)) + field("warren-original-exchange", text("mail")) + field("warren-original-routing-key", text("welcome"))
			stream := frame(1, "\x00\x3C\x00\x3C", short("warren"), "\x00\x00\x00\x00\x00\x00\x00\x01\x00", short("mail"), short("welcome")) +
				frame(2, "\x00\x3C\x00\x00", string(binary.BigEndian.AppendUint64(nil, uint64(row.body))), "\xB0\x80", short("application/json"), sized(headers), "\x02", short("0123456789")) +
				frame(3, strings.Repeat("b", row.body))
			var ratios []float64
			var without time.Duration
			for i := range b.N {
				var took [2]time.Duration
				for _, with := range []int{i % 2, 1 - i%2} {
					took[with] = consume(b, stream, row.messages, with == 1)
				}
				without += took[0]
				ratios = append(ratios, float64(took[1])/float64(took[0]))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
			b.ReportMetric(ratios[len(ratios)/4], "q1")
			b.ReportMetric(ratios[len(ratios)*3/4], "q3")
			b.ReportMetric(float64(without)/float64(b.N*row.messages), "ns/message")
		})
	}
}

// consume takes n deliveries with the client, and returns how much processor time that took.
func consume(b *testing.B, stream string, n int, with bool) time.Duration {
	b.Helper()
	server := newServer(io.LimitReader(&endless{s: stream}, int64(n)*int64(len(stream))))
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
	runtime.GC() // so that each begins with the same heap
	start := cpu(b)
	deliveries, err := ch.Consume("q", "warren", true, false, false, true, nil)
	require.NoError(b, err)
	for range n {
		<-deliveries
	}
	return cpu(b) - start
}

// cpu is the processor time of the process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
	s.answers <- onChannel0(frame(1, "\x00\x0A\x00\x0A\x00\x09", sized(""), sized("PLAIN"), sized("en_US"))) //nolint:dupword // bytes
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

// BenchmarkReader reads messages of 100 B, without a client: with the reader, and from the source itself.
func BenchmarkReader(b *testing.B) {
	message := frame(1, strings.Repeat("m", 60)) +
		content(field("swarrot_retry_attempts", long("l", 1))+field("warren-original-exchange", text("mail"))+field("warren-original-routing-key", text("welcome"))) +
		frame(3, strings.Repeat("b", 100))
	for _, with := range []bool{true, false} {
		b.Run(map[bool]string{true: "with", false: "without"}[with], func(b *testing.B) {
			start := cpu(b)
			var source io.Reader = &endless{s: message}
			if with {
				source = frames.NewReader(source)
			}
			p := make([]byte, 4096)
			read := 0
			b.ReportAllocs()
			for read < b.N*len(message) {
				n, err := source.Read(p)
				require.NoError(b, err)
				read += n
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/message")
		})
	}
}
