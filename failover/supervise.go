package failover

import "context"

// supervise keeps the connection up until ctx ends. It is the only goroutine that dials
// once there is a first session, and the only one that says goodbye.
//
// Close may come while it dials. Dialling then ends with ctx; if it has just succeeded
// instead, replace ends the new session. None outlives the supervisor.
func (c *Connection) supervise(ctx context.Context, d *dialer, session *Session) {
	defer close(c.finished)
	defer d.running.Wait()
	for {
		select {
		case <-ctx.Done():
			session.close()
			return
		case <-session.Done():
		}
		if ctx.Err() != nil {
			return
		}
		d.lost(session)
		next, err := d.dial(ctx)
		if err != nil || !c.replace(ctx, next) {
			return // only the end of ctx brings us here
		}
		session = next
	}
}

// replace makes s the current session and wakes those who wait for one. After Close it
// ends s and reports false.
//
// Close first ends ctx and then, if it has no more time, takes the current session to
// end it. Both are looked at under mu, so it either finds s, or has ended ctx before.
func (c *Connection) replace(ctx context.Context, s *Session) bool {
	c.mu.Lock()
	closed := ctx.Err() != nil
	if !closed {
		c.current = s
		close(c.changed)
		c.changed = make(chan struct{})
	}
	c.mu.Unlock()
	if closed {
		s.end(ErrClosed)
	}
	return !closed
}
