package republish

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// DefaultKeepTrying is how long a republish that failed is tried again. It is less than a
// consumer's drain timeout, so that a shutdown does not cut it short.
const DefaultKeepTrying = 15 * time.Second

// Pauses between the tries of one republish.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// shortTry is the time of a try that begins when the time for all tries is over.
const shortTry = time.Second

// Sender publishes copies for one processor.
type Sender struct {
	Name       string // of the processor, for errors
	Publisher  processor.Publisher
	KeepTrying time.Duration // how long all tries take together; 0: one try, of at most DefaultKeepTrying
	Log        *slog.Logger  // nil is the default
	// Final reports further errors after which trying again would change nothing; nil is none.
	Final func(error) bool
}

// To publishes e to a destination; see [Sender.Send].
func (s *Sender) To(ctx context.Context, msg processor.Message, to processor.Destination, e processor.Envelope) error {
	return s.Send(ctx, msg, to.String(), func(ctx context.Context) error { return s.Publisher.Publish(ctx, to, e) })
}

// Send returns nil when the broker has the copy of msg that publish publishes. After a
// failure that may pass it tries again: requeueing msg instead would use up
// the delivery limit of its queue.
//
// A deadline that others have given the message does not end it: it may be why the message has failed.
//
// A publish that waits, for a broker that blocks or a queue that hangs, ends in the same time: its
// worker is needed for other messages. The copy may have been stored all the same.
func (s *Sender) Send(ctx context.Context, msg processor.Message, to string, publish func(context.Context) error) error {
	ctx, done := processor.InFlight(ctx)
	defer done()
	end := time.Now().Add(cmp.Or(s.KeepTrying, DefaultKeepTrying))
	err := s.try(ctx, end, publish)
	if err == nil || s.final(err) || s.KeepTrying == 0 || processor.CutShort(ctx) {
		return err
	}
	logattr.Or(s.Log).LogAttrs(ctx, slog.LevelWarn, "publish failed, trying again",
		append(logattr.Of(msg, err), slog.String("to", to), slog.Duration("for", s.KeepTrying))...)
	for nominal := firstPause; ; nominal = min(2*nominal, lastPause) {
		left := time.Until(end)
		if left <= 0 || !pacing.Sleep(ctx, min(pacing.Jitter(nominal), left)) || processor.Lost(ctx) {
			return err
		}
		if err = s.try(ctx, end, publish); err == nil || s.final(err) {
			return err
		}
	}
}

// try calls publish once. It has until end, but at least shortTry. A publisher that panics has failed:
// the message may be stored or not.
func (s *Sender) try(ctx context.Context, end time.Time, publish func(context.Context) error) (err error) {
	left := max(time.Until(end), shortTry)
	ctx, cancel := context.WithTimeoutCause(ctx, left, fmt.Errorf("republish: no answer in %v", left.Round(time.Millisecond)))
	defer cancel()
	if problem := callback.Call(s.Name+": the publisher", func() { err = publish(ctx) }); problem != nil {
		return fmt.Errorf("%w: %w", processor.ErrIndeterminate, problem)
	}
	return err
}

// Park publishes e, the parked copy of msg, which had failed with err. If it cannot be sent
// with the headers that say why, msg is sent as it came in: so it has been sent before. It
// returns whether the broker has a copy, and the error to report, err or one
// around it.
func (s *Sender) Park(ctx context.Context, msg processor.Message, to processor.Destination, e processor.Envelope, err error) (parked bool, told error) {
	problem := s.To(ctx, msg, to, e)
	if Unsendable(problem) {
		err = s.Unsent("copy with our headers", to.String(), problem, err)
		problem = s.To(ctx, msg, to, bare(msg))
	}
	if problem != nil {
		return false, s.Unsent("copy", to.String(), problem, err)
	}
	return true, err
}

// final reports whether trying again would change nothing.
func (s *Sender) final(err error) bool {
	return s.Final != nil && s.Final(err) ||
		Unsendable(err) || callback.Is(err, processor.ErrClosed) || callback.Is(err, processor.ErrForbidden)
}

// Unsendable reports whether err is about the copy, not about the broker.
func Unsendable(err error) bool {
	return callback.Is(err, processor.ErrTooLarge) || callback.Is(err, processor.ErrHeaderType)
}
