package failover

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Blocked reports whether the broker blocks publishing on this session, as it does when
// it is low on memory or disk, and the reason it gave. RabbitMQ blocks a connection
// when that publishes; one that only consumes is never blocked.
func (s *Session) Blocked() (reason string, blocked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason, s.blocked != nil
}

// Unblocked waits until the broker does not block publishing; if it does not now, it returns
// nil at once. It returns ctx's error when ctx ends first, and [Session.Err] when
// the session does.
func (s *Session) Unblocked(ctx context.Context) error {
	for {
		s.mu.Lock()
		err, blocked := s.err, s.blocked
		s.mu.Unlock()
		if err != nil || blocked == nil {
			return err
		}
		select {
		case <-blocked:
		case <-s.done:
		case <-ctx.Done():
			return fmt.Errorf("failover: node %s blocks publishing: %w", s.node, ended(ctx))
		}
	}
}

// setBlocked records whether the broker blocks.
func (s *Session) setBlocked(b amqp.Blocking) {
	s.mu.Lock()
	changed := b.Active != (s.blocked != nil)
	s.reason = b.Reason
	switch {
	case changed && b.Active:
		s.blocked = make(chan struct{})
	case changed:
		close(s.blocked)
		s.blocked = nil
	}
	s.mu.Unlock()
	s.status.refresh(s)

	switch {
	case changed && b.Active:
		s.log.Warn("failover: the broker blocks publishing", "node", s.node, "reason", b.Reason)
	case changed:
		s.log.Info("failover: the broker takes messages again", "node", s.node)
	}
}

// gate returns a channel that is closed when the broker no longer blocks, or nil if it
// does not block.
func (s *Session) gate() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked
}
