package failover

import (
	"context"
	"fmt"
)

// Connection is a connection to one of several nodes that reconnects by itself. Its
// methods may be called by many goroutines at once.
type Connection struct {
	stop     context.CancelFunc // ends the supervisor
	finished chan struct{}      // closed when no goroutine is left
	status   *status
	secrets  *secrets
}

// Dial connects to the first node that answers, and keeps a connection from then on,
// until Close. ctx bounds the call, not the connection. See the package's
// documentation for urls.
//
// Dial tries the nodes in turn, or in the order of [InOrder], round after round, until ctx
// ends; the error then holds ctx's error and the last error of each node. It gives up at
// once if every node has refused the credentials or the vhost ([ErrAuth]), or has a
// certificate that is not trusted ([ErrTLS]): that is a
// mistake to fix, not an outage to wait out. [MaxRounds] makes it give up earlier. Once
// connected, only Close and MaxRounds end the reconnecting.
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
	d.status.connected(first, d.errs)
	// The connection outlives the call: of ctx it keeps the values only.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Connection{stop: stop, finished: make(chan struct{}), status: d.status, secrets: d.secrets}
	go c.supervise(life, d, first)
	return c, nil
}

// Session waits for a live session and returns it. It returns ctx's error when ctx ends
// first, with the text of why there is no session, and [ErrClosed] after Close; see also
// [MaxRounds]. A session may end at any time; the next call then waits for the next one.
func (c *Connection) Session(ctx context.Context) (*Session, error) {
	for {
		v := c.status.view()
		switch {
		case v.Phase == Closed:
			return nil, v.Err
		case v.session.Err() == nil:
			return v.session, nil
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			// The reason is text, and not wrapped: a caller that tries again after ErrLost would
			// do so without end, now that ctx is over.
			return nil, fmt.Errorf("failover: waiting for a session: %w; there is none: %v", ended(ctx), v.why()) //nolint:errorlint // see above
		}
	}
}

// Done returns a channel that is closed when the connection has ended for good, after Close or
// [MaxRounds], and nothing is left of it.
func (c *Connection) Done() <-chan struct{} { return c.finished }

// Close ends the session and all reconnecting, and frees all resources. It returns
// when no goroutine is left, or with ctx's error when ctx ends first; the socket is then
// closed without AMQP's close. A node that hangs is waited for no longer than
// [AnswerTimeout]. Close works twice, and while reconnecting.
func (c *Connection) Close(ctx context.Context) error {
	session := c.status.close(ErrClosed)
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
	// From here on the session ends at once, perhaps before Close returns; Close reports ctx's
	// error all the same, since AMQP's close was not sent.
	session.end(ErrClosed)
	return fmt.Errorf("failover: close: %w", ended(ctx))
}
