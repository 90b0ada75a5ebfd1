package failover

import (
	"bufio"
	"net"
	"sync/atomic"

	"github.com/gowarren/warren/failover/internal/frames"
)

// stream is what the client reads from and writes to: the socket, or TLS on it. Only the client's
// reader calls Read.
type stream struct {
	net.Conn
	frames *frames.Reader
	out    *frames.Writer
	reads  atomic.Uint64 // begun and returned; odd while the client reads
}

// readSize is how many bytes are read at once. The client's own buffer holds 4 KiB, about ten small
// messages: with a full prefetch there are many more to be read.
const readSize = 32 << 10

func newStream(conn net.Conn) *stream {
	return &stream{
		Conn:   conn,
		frames: frames.NewReader(bufio.NewReaderSize(conn, readSize)),
		out:    frames.NewWriter(conn),
	}
}

// Write sends what the client writes, which does so one call at a time.
func (s *stream) Write(p []byte) (int, error) { return s.out.Write(p) }

// Read returns what the broker sends, with tables that the client can read.
func (s *stream) Read(p []byte) (int, error) {
	s.reads.Add(1)
	defer s.reads.Add(1)
	return s.frames.Read(p)
}

// away returns 0 while the client reads, and otherwise a number that changes when it reads again.
func (s *stream) away() uint64 {
	if reads := s.reads.Load(); reads%2 == 0 {
		return reads
	}
	return 0
}
