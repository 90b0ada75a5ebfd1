package failover

import (
	"context"
	"fmt"
)

// supervise keeps the connection up until ctx ends. It is the only goroutine that dials
// once there is a first session, and the only one that sends AMQP's close.
//
// Close may come while it dials. Dialling then ends with ctx; if it has just succeeded
// instead, the status refuses the new session. No session outlives the
// supervisor.
func (c *Connection) supervise(ctx context.Context, d *dialer, session *Session) {
	defer close(c.finished)
	defer d.running.Wait()
	defer c.stop()
	defer c.status.close(ErrClosed) // if a function of the user's ends this goroutine
	for {
		select {
		case <-ctx.Done():
			session.close()
			return
		case <-session.suspect:
			next := d.better(ctx, session)
			if next == nil {
				continue
			}
			session.Abort(fmt.Errorf("%w, and node %s is not", ErrCutOff, next.node))
			if !c.status.connected(next, d.errs) {
				next.end(ErrClosed)
				return
			}
			d.lost(session)
			d.round = nil
			session = next
			continue
		case <-session.Done():
		}
		if ctx.Err() != nil {
			return
		}
		d.lost(session)
		next, err := d.dial(ctx)
		if err != nil {
			if ctx.Err() == nil {
				d.log.Error("failover: gave up, there will be no connection any more", "error", err)
				c.status.close(fmt.Errorf("%w: %w", ErrClosed, err))
			}
			return
		}
		if !c.status.connected(next, d.errs) {
			next.end(ErrClosed)
			return
		}
		session = next
	}
}
