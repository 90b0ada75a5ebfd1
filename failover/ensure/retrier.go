package ensure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
)

// retrier is one call of [Do] or [AutoRetry].
type retrier struct {
	config
	connection *failover.Connection
	op         func(context.Context, *amqp.Channel) error
	session    *failover.Session // that of channel
	channel    *amqp.Channel     // nil: the next try opens one
	closed     <-chan *amqp.Error
	rounds     int // of the connection that have failed so far
	tries      int
	last       error // of the try before this one
	fatal      int   // tries in a row for which the broker closed the connection
}

func newRetrier(c *failover.Connection, op func(context.Context, *amqp.Channel) error, opts []Option) (*retrier, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if op == nil {
		return nil, errors.New("ensure: the operation is nil")
	}
	return &retrier{config: cfg, connection: c, op: op, rounds: c.State().Rounds}, nil
}

// adopt takes the caller's channel. It does not ask to be notified of the close: each call would
// add a listener to the channel, which may serve a million calls.
func (r *retrier) adopt(ctx context.Context, channel *amqp.Channel) {
	if channel == nil || channel.IsClosed() {
		return
	}
	if session := r.current(ctx); session != nil {
		r.session, r.channel = session, channel
	}
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
		case r.retries != failover.NoLimit && r.tries > r.retries:
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

// interrupted adds to err that ctx is over, and the error of the try before, which err may
// lack.
func (r *retrier) interrupted(ctx context.Context, err error) error {
	if cause := ended(ctx); !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return errors.Join(err, r.last)
}

// give is the error at the end.
func (r *retrier) give(err error) error {
	return fmt.Errorf("ensure: the operation failed, tries: %d: %w", r.tries, err)
}

// try opens a channel if there is none, and calls the operation. It reports whether to try
// again; if not, err is for the caller.
func (r *retrier) try(ctx context.Context) (again bool, err error) {
	r.tries++
	if r.channel == nil {
		err := r.open(ctx)
		switch {
		case errors.Is(err, failover.ErrClosed):
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
	// The client sends one reason at most, and the channel has room for it.
	r.closed = channel.NotifyClose(make(chan *amqp.Error, 1))
	r.session, r.channel = session, channel
	return nil
}

// next waits for a live session, or until one more round of attempts has failed.
func (r *retrier) next(ctx context.Context) (*failover.Session, error) {
	for state := range r.connection.Watch(ctx) {
		if state.Phase == failover.Closed {
			return nil, state.Err
		}
		if session := r.current(ctx); session != nil {
			return session, nil
		}
		if state.Rounds > r.rounds {
			r.rounds = state.Rounds
			return nil, fmt.Errorf("ensure: no session: %w", why(state))
		}
	}
	return nil, fmt.Errorf("ensure: no session: %w", errors.Join(ended(ctx), why(r.connection.State())))
}

// current returns the session that is alive now, or nil.
func (r *retrier) current(ctx context.Context) *failover.Session {
	now, cancel := context.WithCancel(ctx)
	cancel() // do not wait
	session, err := r.connection.Session(now)
	if err != nil {
		return nil
	}
	return session
}

// why joins all known reasons why there is no session.
func why(s failover.State) error { return errors.Join(append([]error{s.Err}, s.Unreachable...)...) }

// call calls the operation, with a context that ends with the session.
func (r *retrier) call(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	session := r.session
	if err := session.Err(); err != nil {
		cancel(err)
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	watching.Go(func() {
		select {
		case <-session.Done():
			cancel(session.Err())
		case <-ctx.Done():
		}
	})
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
	case <-r.connection.Done():
		return nil // the next try reports it
	}
}

// release closes the channel, if there is one.
func (r *retrier) release(ctx context.Context) {
	if r.channel == nil {
		return
	}
	r.session.CloseChannel(ctx, r.channel)
	r.channel, r.session, r.closed = nil, nil, nil
}

// ended is the error of a context that is over, with the cause if it was given one.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
