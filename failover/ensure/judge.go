package ensure

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
)

// judge decides whether there is another try after an error of the operation's, and
// returns the error for the caller.
func (r *retrier) judge(ctx context.Context, err error) (again bool, told error) {
	if !r.amqps(ctx, err) {
		return false, err
	}
	var reply *amqp.Error
	errors.As(err, &reply)
	if reason := r.reason(); reason != nil && !errors.Is(err, reason) {
		reply, err = reason, errors.Join(err, reason)
	}
	if reply == nil || !protocol(reply) {
		r.fatal = 0
	} else {
		r.fatal++
	}
	if reply != nil && hopeless(reply) || r.fatal == 2 {
		return false, r.give(err)
	}
	return true, err
}

// amqps reports whether err is one of AMQP's, or of the connection under it, and not the
// operation's own.
func (r *retrier) amqps(ctx context.Context, err error) bool {
	var reply *amqp.Error
	if errors.As(err, &reply) || errors.Is(err, ErrRetry) || errors.Is(err, failover.ErrLost) {
		return true
	}
	// The operation's context is over and ctx is not: the session was lost.
	if errors.Is(err, context.Canceled) && r.session.Err() != nil {
		return ctx.Err() == nil
	}
	return network(err) && ends(r.session, grace)
}

// grace is how long the client may take to close a connection on which a write has
// failed. An operation that fails in a network of its own is held up by as much.
const grace = time.Second

// network reports whether err can be that of a socket.
func network(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF)
}

// ends waits until the session has ended, for no longer than d.
func ends(s *failover.Session, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.Done():
		return true
	case <-timer.C:
		return false
	}
}

// reason is why the channel was closed; nil if it is open or the reason is not known. The client
// reports it before the calls that wait on the channel fail. But when the connection is
// closed it notifies the session first, which ends the operation's context, and the channel
// later.
func (r *retrier) reason() *amqp.Error {
	var reason *amqp.Error
	select {
	case reason = <-r.closed:
	default:
	}
	if reason == nil {
		errors.As(r.session.Err(), &reason)
	}
	return reason
}

// hopeless reports whether trying again cannot help: the queue or exchange is missing,
// forbidden or has other arguments, or the request does not fit a frame.
func hopeless(e *amqp.Error) bool {
	switch e.Code {
	case amqp.AccessRefused, amqp.PreconditionFailed, amqp.SyntaxError:
		return true
	}
	return amqpwire.Missing(e, "queue") || amqpwire.Missing(e, "exchange")
}

// protocol reports whether the broker closed the connection for something that was sent
// on it, perhaps by another user of the connection.
func protocol(e *amqp.Error) bool {
	switch e.Code {
	case amqp.FrameError, amqp.CommandInvalid, amqp.ChannelError, amqp.UnexpectedFrame, amqp.NotAllowed, amqp.NotImplemented:
		return e.Server
	}
	return false
}
