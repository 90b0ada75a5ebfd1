package backoff

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/republish"
)

// ErrExpired is wrapped, with the handler's error, by the error of a message that has used up its
// retries. Its text says how many there were and how long they took.
var ErrExpired = errors.New("expired")

// expired is the failure of a message that has used up its retries. It unwraps to the handler's
// error alone, whose type matters to callers.
type expired struct {
	retries int
	took    time.Duration
	err     error
}

func (r retry) expired(err error) error {
	now := time.Now()
	return &expired{r.done, now.Sub(republish.FirstFailure(r.msg.Headers(), now)), err}
}

func (e *expired) Error() string {
	return fmt.Sprintf("backoff: %v after %s in %v: %v", ErrExpired, times(e.retries), rounded(e.took), e.err)
}

// rounded drops needless precision.
func rounded(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func (e *expired) Unwrap() error        { return e.err }
func (e *expired) Is(target error) bool { return target == ErrExpired }

// RemoteType is what a caller in another process sees as the type of the failure: remote.TypeExpired.
func (e *expired) RemoteType() string { return "Expired" }

func times(retries int) string {
	if retries == 1 {
		return "1 retry"
	}
	return fmt.Sprintf("%d retries", retries)
}

// delayError is the failure of a message that waits for the longest delay, because the requested
// one is longer. It unwraps to the handler's error alone.
type delayError struct {
	retry   retry
	problem *delay.TooLongError
	err     error
}

// tooEarly reports whether err itself is a delayError.
func tooEarly(err error) bool {
	_, ok := err.(*delayError) //nolint:errorlint // not wrapped here, and a handler's error may panic in As
	return ok
}

func (e *delayError) Error() string {
	return fmt.Sprintf("backoff: %s instead of %v: %v; delay.Ladder has all delays; the message had failed with: %v", e.retry, e.problem.Asked, e.problem, e.err)
}

func (e *delayError) Unwrap() error { return e.err }

// Is also matches the problem.
func (e *delayError) Is(target error) bool { return callback.Is(e.problem, target) }

// As also matches the problem.
func (e *delayError) As(target any) bool { return callback.As(e.problem, target) }
