package failover

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Session is one live AMQP connection to one node: one generation of a [Connection].
// Its methods may be called by many goroutines at once, and after its end.
type Session struct {
	node    string
	user    string
	conn    *amqp.Connection
	socket  net.Conn      // below TLS: closing it waits for nothing
	stream  *stream       // above TLS
	timeout time.Duration // for an answer
	since   time.Time
	log     *slog.Logger
	status  *status
	account string // the user of its password
	version int    // of the secrets
	done    chan struct{}
	running *sync.WaitGroup // its goroutines; see run

	leaveCutOff time.Duration // see LeaveCutOff; 0 is never
	suspect     chan struct{} // holds a value when the node may have to be left

	over   sync.Once     // done: the socket is closed
	asking chan struct{} // holds a value during a request on channel 0

	mu      sync.Mutex
	err     error         // why it ends; nil while it lives
	reason  string        // why the broker blocks
	blocked chan struct{} // closed when the broker stops blocking; nil while it does not
	cutOff  error         // why the node counts as cut off
}

// start begins a session on a connection that has just been opened, and watches it.
func (s *Session) start() {
	// Both are buffered, and watch drains them until the client closes them after the last
	// value: a channel without a reader would block the client's own reader.
	closed := s.conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := s.conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	s.running.Go(func() { s.watch(closed, blocked) })
	s.stream.frames.Limit(s.FrameSize())
	s.run(s.watchReader)
	if s.leaveCutOff > 0 && khepri(s.conn.Properties) {
		s.run(s.askForMajority)
	}
}

// Node returns the host and port of the session's node.
func (s *Session) Node() string { return s.node }

// User returns the name that the session has logged in with. It is empty if only the
// broker knows it, as it does with the mechanism EXTERNAL.
func (s *Session) User() string { return s.user }

// FrameSize returns the largest frame that both sides agreed on, in bytes; 0 is no
// limit. All headers and properties of a message must fit one frame.
func (s *Session) FrameSize() int { return s.conn.Config.FrameSize }

// Done returns a channel that is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns nil while the session lives, and then why it ended: an error that wraps
// [ErrLost] and, where the broker or the client gave one, an [amqp.Error]; or
// [ErrClosed] after [Connection.Close].
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Abort ends the session with cause, at once: it closes the socket without AMQP's close.
// It is for a node that hangs. The broker requeues unsettled messages once it notices,
// and the connection dials the next node. A nil cause is allowed. Abort does nothing
// after the session's end.
func (s *Session) Abort(cause error) {
	if cause == nil {
		cause = errors.New("aborted")
	}
	s.end(s.lost(cause))
}

func (s *Session) lost(cause error) error {
	return fmt.Errorf("%w: node %s: %w", ErrLost, s.node, cause)
}

// end ends the session at once, the first time it is called.
//
// The socket is closed here, also when the client noticed the end. When the client shuts down by
// itself, it takes the lock of each channel before it closes the socket; a publisher that
// hangs in a write holds such a lock until the socket is closed: a deadlock.
func (s *Session) end(err error) {
	s.decide(err)
	s.over.Do(func() {
		_ = s.socket.Close()
		s.status.refresh(s)
		close(s.done)
	})
}

// decide sets why the session ends, unless that is known already.
func (s *Session) decide(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// watch notices the end of the connection and whether the broker blocks, and drains
// both channels until the client closes them.
func (s *Session) watch(closed <-chan *amqp.Error, blocked <-chan amqp.Blocking) {
	for closed != nil || blocked != nil {
		select {
		case err, ok := <-closed:
			if ok {
				s.end(s.lost(err))
				continue
			}
			s.end(s.lost(amqp.ErrClosed)) // it ended before NotifyClose
			closed = nil
		case b, ok := <-blocked:
			if ok {
				s.setBlocked(b)
				continue
			}
			blocked = nil
		}
	}
}

// run starts a goroutine of the session, and reports false if the session is over. The
// supervisor waits for all of them, and none is added then: they are added while err
// is nil, and watch, one of them itself, does not exit before err is set.
func (s *Session) run(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.running.Go(f)
	return true
}

// close sends AMQP's close and ends the session. It waits for a node that hangs no longer
// than the timeout, and not at all for one that blocks, which reads nothing. The session may also
// end meanwhile, when the node dies or by [Connection.Close].
//
// The client's CloseDeadline would not do: it sets a deadline on the socket, and its
// heartbeats may move that while it waits.
func (s *Session) close() {
	s.decide(ErrClosed)
	if _, blocked := s.Blocked(); !blocked {
		hung := time.AfterFunc(s.timeout, func() { s.end(ErrClosed) })
		defer hung.Stop()
		_ = s.conn.Close()
	}
	s.end(ErrClosed)
}
