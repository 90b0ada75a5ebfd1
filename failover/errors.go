package failover

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrURL is wrapped by the error of a URL that cannot be used; see [ParseURLs].
	ErrURL = errors.New("wrong URL")

	// ErrAuth is wrapped by the error of a node that answered and refused the user, the
	// password or the vhost.
	ErrAuth = errors.New("credentials or vhost refused")

	// ErrTLS is wrapped by the error of a node whose certificate is not trusted, or that does not
	// speak TLS where its URL says so.
	ErrTLS = errors.New("no TLS connection")

	// ErrNoAnswer is wrapped by the error of a node that did not answer in time. Its
	// socket is closed.
	ErrNoAnswer = errors.New("no answer in time")

	// ErrStuck is wrapped by the error of a session whose client has stopped reading, for
	// [AnswerTimeout]: something does not take what it was handed, such as a notification channel of
	// an amqp.Channel that nobody drains.
	ErrStuck = errors.New("the client does not read any more")

	// ErrLost is wrapped by every error from a session that ended other than by Close.
	// The connection will have a new one: see [Connection.Session].
	ErrLost = errors.New("failover: the session is lost")

	// ErrGaveUp is wrapped by the error of [Dial], and of a [Connection] that has ended for
	// good, when [MaxRounds] rounds have failed. The latter wraps [ErrClosed] too.
	ErrGaveUp = errors.New("gave up")

	// ErrClosed is returned after [Connection.Close].
	ErrClosed = errors.New("failover: the connection is closed")
)

// ended is the error of a context that is over, with the cause if it was given one.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
