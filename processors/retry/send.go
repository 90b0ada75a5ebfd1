package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gowarren/warren/processor"
)

// Pauses between the tries of one republish.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// send returns nil when the broker has the copy. A failure that may pass is tried again
// here: a message that is requeued instead uses up the delivery limit of its queue.
func (r *retry) send(ctx context.Context, msg processor.Message, to processor.Destination, e processor.Envelope) error {
	err := r.publisher.Publish(ctx, to, e)
	if err == nil || final(err) || r.keepTrying == 0 {
		return err
	}
	r.trouble(ctx, msg, to, err)
	end := time.Now().Add(r.keepTrying)
	for nominal := firstPause; ; nominal = min(2*nominal, lastPause) {
		left := time.Until(end)
		if left <= 0 || !pause(ctx, min(jitter(nominal), left)) {
			return err
		}
		if err = r.publisher.Publish(ctx, to, e); err == nil || final(err) {
			return err
		}
	}
}

// jitter is between half and all of d, so that workers do not march in step.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2) //nolint:gosec // no secret
}

// pause returns false if ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// final reports whether trying again would change nothing.
func final(err error) bool { return unsendable(err) || errors.Is(err, processor.ErrClosed) }

// unsendable reports whether err is about the copy, not about the broker.
func unsendable(err error) bool {
	return errors.Is(err, processor.ErrTooLarge) || errors.Is(err, processor.ErrHeaderType)
}

// unsentError is the failure of a message one of whose copies was not sent. It unwraps to
// the handler's error alone: a decision in the publisher's is not about the message.
type unsentError struct {
	what    string
	to      processor.Destination
	problem error // the publisher's
	err     error // why the message had failed
}

func (e *unsentError) Error() string {
	return fmt.Sprintf("retry: the %s for %v was not sent: %v; the message had failed with: %v", e.what, e.to, e.problem, e.err)
}

func (e *unsentError) Unwrap() error { return e.err }

// Is finds the publisher's error as well.
func (e *unsentError) Is(target error) bool { return errors.Is(e.problem, target) }

// As finds the publisher's error as well.
func (e *unsentError) As(target any) bool { return errors.As(e.problem, target) }
