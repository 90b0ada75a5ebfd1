package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// ErrBlocked is wrapped by the error of [Connection.Ready] while the node blocks
// publishing.
var ErrBlocked = errors.New("failover: the node blocks publishing")

// State returns what the connection is doing. It sends nothing and does not block.
func (c *Connection) State() State { return c.status.view().public() }

// Ready returns nil if the connection can be published on: there is a session, and its
// node neither blocks publishing nor is known to be cut off. If not, the error says why and
// since when: it wraps [ErrBlocked], [ErrCutOff], [ErrClosed], or the errors of [State]. It sends
// nothing and does not block, so a health endpoint may call it at any rate.
func (c *Connection) Ready() error {
	state := c.State()
	switch state.Phase {
	case Connected:
		return nil
	case Blocked:
		return fmt.Errorf("%w: node %s: %s", ErrBlocked, state.Node, state.Reason)
	case CutOff:
		return fmt.Errorf("%w: node %s", ErrCutOff, state.Node)
	case Closed:
		return state.Err
	}
	return fmt.Errorf("failover: no session since %s: %w", state.Since.Format(time.RFC3339), state.why())
}

// Watch returns the state now and then each time it has changed:
//
//	for state := range connection.Watch(ctx) {
//		log.Print(state)
//	}
//
// The loop ends when ctx does, and after the state in which the phase is Closed. A slow
// body misses states in between, and never the latest one. The connection
// waits for no watcher. Any number may watch at once.
func (c *Connection) Watch(ctx context.Context) iter.Seq[State] {
	return func(yield func(State) bool) {
		for ctx.Err() == nil {
			v := c.status.view()
			if !yield(v.public()) || v.Phase == Closed {
				return
			}
			select {
			case <-v.changed:
			case <-ctx.Done():
			}
		}
	}
}

// public is the state with a copy of its slice, which the caller may change.
func (v view) public() State {
	v.Unreachable = slices.Clone(v.Unreachable)
	return v.State
}
