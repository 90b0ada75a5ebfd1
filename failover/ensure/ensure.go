// Package ensure runs an operation on a channel of a [failover.Connection] until it succeeds, on
// whichever node is up.
//
//	err := ensure.Do(ctx, connection, publish, ensure.Retries(3))
//	channel, err = ensure.AutoRetry(ctx, connection, channel, declare)
package ensure

import (
	"context"
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
)

// ErrRetry makes [Do] try again when an operation's error wraps it, as it
// does for errors of AMQP. It is for failures that the client reports without an error: a message
// that was not confirmed, or deliveries that end.
var ErrRetry = errors.New("try again")

// Do runs op with a channel until it succeeds, on whichever node is up. The
// channel is new for each try, and closed when Do returns, also when op panics.
//
// When the connection is lost, Do waits for the next session and tries again; when
// the channel is closed or op's error wraps [ErrRetry], it tries again on a new one. It
// returns, with the number of tries, the last error when
//
//   - ctx or the connection ends, or [Retries] is used up;
//   - the broker returns an error that no retry can fix: access refused (403), precondition failed
//     (406), or a queue or exchange that does not exist (404);
//   - op sends something that is not AMQP, or twice in a row something that makes the broker close
//     the whole connection, with all its users: it would be closed once for each try.
//
// Any other error of op's is returned as it is, at once.
//
// op's context ends with ctx, and with the session: an op that hangs because its node does
// returns when the session ends. Do never abandons an op: the client's own
// calls take no context, so Do waits for a call to a node that hangs until the
// heartbeats end the session, even after ctx. Each try repeats everything that op does. A
// published message is only safe once it is confirmed, so op has to put the
// channel in confirm mode and wait.
func Do(ctx context.Context, c *failover.Connection, op func(context.Context, *amqp.Channel) error, opts ...Option) error {
	r, err := newRetrier(c, op, opts)
	if err != nil {
		return err
	}
	defer r.release(ctx)
	return r.run(ctx)
}

// AutoRetry is [Do] for a channel that stays open. It runs op with channel,
// which must be one of this connection, and opens a new one if channel is nil, closed, or
// fails. It returns the channel to go on with:
//
//	channel, err = ensure.AutoRetry(ctx, connection, channel, op)
//
// The returned channel is open, and the caller closes it; if it is another one, channel is
// closed. It is nil after an error that made the last channel useless. After one of op's
// own it is not. If op panics, its channel is closed.
func AutoRetry(ctx context.Context, c *failover.Connection, channel *amqp.Channel, op func(context.Context, *amqp.Channel) error, opts ...Option) (*amqp.Channel, error) {
	r, err := newRetrier(c, op, opts)
	if err != nil {
		return channel, err
	}
	kept := false
	defer func() {
		if !kept {
			r.release(ctx)
		}
	}()
	r.adopt(ctx, channel)
	err = r.run(ctx)
	kept = true
	if r.channel == nil || r.channel.IsClosed() {
		return nil, err
	}
	return r.channel, err
}
