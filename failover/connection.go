package failover

import (
	"context"
	"fmt"
	"sync"
)

// Connection is a connection to one of several nodes that is always being kept up. Its
// methods may be called by many goroutines at once.
type Connection struct {
	stop     context.CancelFunc // ends the supervisor
	closing  <-chan struct{}    // closed by stop
	finished chan struct{}      // closed when no goroutine is left

	mu      sync.Mutex
	current *Session
	changed chan struct{} // closed and replaced when current is replaced
}

// Dial connects to the first node that answers, and keeps a connection from then on,
// until Close. ctx bounds the call, not the connection. See the package's
// documentation for urls.
//
// Dial tries the nodes in turn, round after round, until ctx ends; the error then holds
// ctx's error and the last error of each node. It gives up at once if in one round every
// node refused the credentials or the vhost ([ErrAuth]): that is a mistake to mend, not
// an outage to wait out. Once connected, nothing but Close ends the trying.
//
// Wrong URLs and options are errors before anything is dialled.
func Dial(ctx context.Context, urls []string, opts ...Option) (*Connection, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	endpoints, err := ParseURLs(urls)
	if err != nil {
		return nil, err
	}
	if err := cfg.checkTLS(endpoints); err != nil {
		return nil, err
	}
	d := newDialer(cfg, endpoints)
	first, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	// The connection outlives the call: of ctx it keeps the values only.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Connection{
		stop:     stop,
		closing:  life.Done(),
		finished: make(chan struct{}),
		current:  first,
		changed:  make(chan struct{}),
	}
	go c.supervise(life, d, first)
	return c, nil
}

// Session waits for a live session and returns it. It returns ctx's error when ctx ends
// first, and [ErrClosed] after Close. A session may end at any time; the next call then
// waits for the next one.
func (c *Connection) Session(ctx context.Context) (*Session, error) {
	for {
		c.mu.Lock()
		session, changed := c.current, c.changed
		c.mu.Unlock()

		select {
		case <-c.closing:
			return nil, ErrClosed
		default:
		}
		// A session that is over stays current until the supervisor has a new one. It
		// was read together with the channel that tells of the new one, so a change
		// between here and the wait below is not missed.
		if session.Err() == nil {
			return session, nil
		}
		select {
		case <-changed:
		case <-c.closing:
		case <-ctx.Done():
			return nil, fmt.Errorf("failover: waiting for a session: %w", ended(ctx))
		}
	}
}

// Close ends the session and all reconnecting, and lets go of everything. It returns
// when no goroutine is left, or with ctx's error when ctx ends first; the socket is then
// closed without a goodbye. A node that hangs is waited for no longer than
// [AnswerTimeout]. Close works twice, and while reconnecting.
func (c *Connection) Close(ctx context.Context) error {
	c.stop()
	select {
	case <-c.finished:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-c.finished: // at the same moment
		return nil
	default:
	}
	c.mu.Lock()
	session := c.current
	c.mu.Unlock()
	// From here on it ends at once, and may do so before we return: that is no reason to
	// report a goodbye that was not said.
	session.end(ErrClosed)
	return fmt.Errorf("failover: close: %w", ended(ctx))
}
