package failover

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel opens a channel. It first waits until the broker does not block publishing,
// because a blocked connection gets no answers.
//
// It returns ctx's error when ctx ends first. A node that does not answer within
// [AnswerTimeout] loses the session: the error then wraps [ErrLost] and [ErrNoAnswer].
// Any other error, such as too many channels, leaves the session alive.
func (s *Session) Channel(ctx context.Context) (*amqp.Channel, error) {
	if err := s.Unblocked(ctx); err != nil {
		return nil, err
	}
	opened := make(chan opening)
	left := make(chan struct{})
	defer close(left)
	if !s.run(func() { s.open(opened, left) }) {
		return nil, s.Err()
	}
	select {
	case o := <-opened:
		return o.channel, o.err
	case <-s.done:
		return nil, s.Err()
	case <-ctx.Done():
		return nil, fmt.Errorf("failover: opening a channel on node %s: %w", s.node, ended(ctx))
	}
}

// opening is the result of opening a channel.
type opening struct {
	channel *amqp.Channel
	err     error
}

// open opens a channel and sends it to opened. The client's call cannot be cancelled: if
// the caller has left by the time of the answer, the channel is closed again.
func (s *Session) open(opened chan<- opening, left <-chan struct{}) {
	answered := make(chan struct{})
	defer close(answered)
	s.running.Go(func() { s.guard(answered, "opening a channel") })

	channel, err := s.conn.Channel()
	if err != nil {
		err = s.openingFailed(err)
	}
	select {
	case opened <- opening{channel, err}:
	case <-left:
		if err == nil {
			_ = channel.Close()
		}
	}
}

// openingFailed returns the reason for the end of the session, if it has ended: the
// channel's own error only says that it is not open.
func (s *Session) openingFailed(err error) error {
	if s.conn.IsClosed() {
		<-s.done // the client has told watch, or is about to
		return s.Err()
	}
	return fmt.Errorf("failover: opening a channel on node %s: %w", s.node, err)
}

// guard ends the session if there is no answer in time. The time while the broker
// blocks does not count: it may be alive without answering.
func (s *Session) guard(answered <-chan struct{}, doing string) {
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-answered:
			return
		case <-s.done:
			return
		}
		blocked := s.gate()
		if blocked == nil {
			s.Abort(fmt.Errorf("%s: %w (%v)", doing, ErrNoAnswer, s.timeout))
			return
		}
		select {
		case <-blocked:
			timer.Reset(s.timeout)
		case <-answered:
			return
		case <-s.done:
			return
		}
	}
}

// CloseChannel closes a channel of the session. It waits for the answer, unless the broker
// blocks, for no longer than the session, ctx or [AnswerTimeout] lasts; the channel is closed in
// the background then.
func (s *Session) CloseChannel(ctx context.Context, channel *amqp.Channel) {
	closed := make(chan struct{})
	if !s.run(func() { defer close(closed); _ = channel.Close() }) || s.gate() != nil {
		return
	}
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case <-closed:
	case <-s.done:
	case <-ctx.Done():
	case <-timer.C:
	}
}
