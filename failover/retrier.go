package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// retrier is one call of [Connection.Ensure] or [Connection.AutoRetry].
type retrier struct {
	ensureConfig
	connection *Connection
	op         func(context.Context, *amqp.Channel) error
	session    *Session      // that of channel
	channel    *amqp.Channel // nil: the next try opens one
	closed     <-chan *amqp.Error
	rounds     int // of the connection that are known to have failed
	tries      int
	last       error // of the try before this one
	fatal      int   // tries in a row for which the broker closed the connection
}

func (c *Connection) newRetrier(op func(context.Context, *amqp.Channel) error, opts []EnsureOption) (*retrier, error) {
	config, err := newEnsureConfig(opts)
	if err != nil {
		return nil, err
	}
	if op == nil {
		return nil, errors.New("failover: the operation is nil")
	}
	return &retrier{ensureConfig: config, connection: c, op: op, rounds: c.status.view().rounds}, nil
}

// adopt takes a channel that the caller has. Nobody is told why it closes: each call that
// asked would leave its question on the channel, which may serve a million of them.
func (r *retrier) adopt(channel *amqp.Channel) {
	v := r.connection.status.view()
	if channel == nil || channel.IsClosed() || v.session.Err() != nil {
		return
	}
	r.session, r.channel = v.session, channel
}

// run tries until it is over.
func (r *retrier) run(ctx context.Context) error {
	for {
		again, err := r.try(ctx)
		if !again {
			return err
		}
		r.release(ctx)
		switch {
		case ctx.Err() != nil:
			return r.give(r.interrupted(ctx, err))
		case r.limited && r.tries > r.retries:
			return r.give(err)
		}
		wait := r.interval(r.tries)
		r.onError(err, wait)
		if stop := r.sleep(ctx, wait); stop != nil {
			return r.give(errors.Join(stop, err))
		}
		r.last = err
	}
}

// interrupted adds to err that ctx is over, and what had failed before, of which err may
// say nothing.
func (r *retrier) interrupted(ctx context.Context, err error) error {
	if cause := ended(ctx); !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return errors.Join(err, r.last)
}

// give is the error at the end.
func (r *retrier) give(err error) error {
	return fmt.Errorf("failover: the operation failed, tries: %d: %w", r.tries, err)
}

// try opens a channel if there is none, and calls the operation. It reports whether
// there is to be another try; if not, err is for the caller.
func (r *retrier) try(ctx context.Context) (again bool, err error) {
	r.tries++
	if r.channel == nil {
		err := r.open(ctx)
		switch {
		case errors.Is(err, ErrClosed):
			return false, r.give(err)
		case err != nil:
			return true, err
		}
		r.onRevive(r.channel)
	}
	if err := r.call(ctx); err != nil {
		return r.judge(ctx, err)
	}
	return false, nil
}

// open opens a channel on the current session, or waits for one.
func (r *retrier) open(ctx context.Context) error {
	session, err := r.next(ctx)
	if err != nil {
		return err
	}
	channel, err := session.Channel(ctx)
	if err != nil {
		return err
	}
	// It gets one reason at most, and has room for it.
	r.closed = channel.NotifyClose(make(chan *amqp.Error, 1))
	r.session, r.channel = session, channel
	return nil
}

// next waits for a live session, or until one more round of attempts has failed.
func (r *retrier) next(ctx context.Context) (*Session, error) {
	for {
		v := r.connection.status.view()
		switch {
		case v.Phase == Closed:
			return nil, v.Err
		case v.session.Err() == nil:
			return v.session, nil
		case v.rounds > r.rounds:
			r.rounds = v.rounds
			return nil, fmt.Errorf("failover: no session: %w", v.why())
		}
		select {
		case <-v.changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("failover: no session: %w", v.why())
		}
	}
}

// call calls the operation, with a context that ends with the session.
func (r *retrier) call(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session := r.session
	watched := session.run(func() {
		select {
		case <-session.done:
			cancel(session.Err())
		case <-ctx.Done():
		}
	})
	if !watched {
		cancel(session.Err())
	}
	return r.op(ctx, r.channel)
}

// sleep waits, or returns why not.
func (r *retrier) sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	case <-r.connection.finished:
		return nil // the next try says so
	}
}

// release closes the channel, if there is one.
func (r *retrier) release(ctx context.Context) {
	if r.channel == nil {
		return
	}
	r.session.closeChannel(ctx, r.channel)
	r.channel, r.session, r.closed = nil, nil, nil
}
