package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// UpdateSecret gives the broker a new password, or token, for the user of the current
// session, while that goes on. reason is for the broker's log. It returns nil when the live
// session has taken it: if there is none, or it is lost meanwhile, UpdateSecret waits for
// one.
//
// From the moment of the call every dial as this user has the password, whatever
// the URLs say, also if UpdateSecret returns because ctx ended. Only a password that the broker
// refuses is forgotten; the broker closes the session then, and the next one has the old
// password. With [Credentials], each dial asks the function as ever, and no password is
// stored: have it return the new one before calling UpdateSecret.
//
// UpdateSecret is for tokens of OAuth 2, which expire. RabbitMQ's own users do not need it: the
// broker accepts any password here, and checks it at the next dial. A
// broker that is low on memory may answer late or not at all; a node that does not answer
// within [AnswerTimeout] loses the session.
func (c *Connection) UpdateSecret(ctx context.Context, password, reason string) error {
	account := c.status.view().session.account
	version, undo := c.secrets.set(account, newSecret(password))
	for {
		session, err := c.Session(ctx)
		switch {
		case err != nil:
			return err
		case session.version >= version, session.account != account:
			return nil // dialled since, or as another user
		}
		err = session.updateSecret(ctx, password, reason)
		var reply *amqp.Error
		switch {
		case errors.As(err, &reply) && reply.Server && reply.Code == amqp.NotAllowed:
			undo()
			return err
		case err == nil || !errors.Is(err, ErrLost):
			return err
		}
	}
}

// updateSecret asks the broker, for no longer than ctx or the session lasts.
func (s *Session) updateSecret(ctx context.Context, password, reason string) error {
	answers := make(chan error, 1)
	if !s.run(func() { answers <- s.sendSecret(password, reason) }) {
		return s.Err()
	}
	select {
	case err := <-answers:
		return err
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("failover: updating the secret on node %s: %w", s.node, ended(ctx))
	}
}

// sendSecret runs once at a time: the client gives an answer to any call that waits.
func (s *Session) sendSecret(password, reason string) error {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-s.done:
		return s.Err()
	}
	answered := make(chan struct{})
	defer close(answered)
	if !s.run(func() { s.guard(answered, "updating the secret") }) {
		return s.Err()
	}
	err := s.conn.UpdateSecret(password, reason)
	if err == nil {
		return nil
	}
	if s.ends(grace) {
		return s.Err()
	}
	return fmt.Errorf("failover: updating the secret on node %s: %w", s.node, err)
}

// grace is how long the client may take to close a connection on which a write has failed.
const grace = time.Second

// ends waits until the session has ended, for no longer than d.
func (s *Session) ends(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.done:
		return true
	case <-timer.C:
		return false
	}
}
