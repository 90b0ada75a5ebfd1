package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// outcome is what became of a message in one try.
type outcome uint8

const (
	confirmed outcome = iota
	answered          // the broker does not take it, which is written down
	failed            // it is written down, and may say nothing about the broker
	skipped           // it was not sent because of another message
	untried           // it was not sent because of its destination, or the broker
)

// unreadableError is the error of a row whose message is not what the publisher wrote.
type unreadableError struct{ problem error }

func (e *unreadableError) Error() string {
	return "outbox: the row has no readable message: " + e.problem.Error()
}
func (e *unreadableError) Unwrap() error { return e.problem }

// note notes the outcome of a message.
//
// What can never be sent is set aside at once, and what no queue takes or may not be published after the time for that. Whatever
// else is about the message, or may be, is tried again later, so that it holds up no other: also one whose answer was lost,
// since a message that makes the broker close the connection looks like that. About what the publisher did not try [delivery.judge] decides.
func (d *delivery) note(ctx context.Context, s stored, err error) outcome {
	var unreadable *unreadableError
	switch {
	case err == nil:
		d.ledger.confirm(s)
		return confirmed
	case callback.As(err, &unreadable), callback.Is(err, processor.ErrTooLarge), callback.Is(err, processor.ErrHeaderType):
		d.fail(ctx, s, err, true)
	case callback.Is(err, processor.ErrUnroutable), callback.Is(err, processor.ErrForbidden):
		d.fail(ctx, s, err, d.relay.patience != processor.NoLimit && time.Since(since(s)) >= d.relay.patience)
		if callback.Is(err, processor.ErrUnroutable) {
			return answered
		}
	case callback.Is(err, processor.ErrIndeterminate):
		d.fail(ctx, s, err, false)
	case callback.Is(err, processor.ErrRefused):
		d.fail(ctx, s, err, false)
		return answered
	case callback.Is(err, processor.ErrSkipped):
		return skipped
	case callback.Is(err, processor.ErrClosed):
		d.trouble = err
		return untried
	case callback.Is(err, processor.ErrBlocked), callback.Is(err, context.DeadlineExceeded), callback.Is(err, context.Canceled):
		return untried
	default:
		d.fail(ctx, s, err, false)
	}
	return failed
}

// Waits before a message is tried again.
const (
	shortest = time.Second
	longest  = time.Minute
)

// since returns when s failed first.
func since(s stored) time.Time {
	if s.failedAt == 0 {
		return time.Now()
	}
	return time.UnixMilli(s.failedAt)
}

// fail notes that s has failed. It waits for as long as it has been failing, within limits.
func (d *delivery) fail(ctx context.Context, s stored, err error, aside bool) {
	first := since(s)
	f := failure{seq: s.seq, state: waiting, failedAt: first.UnixMilli(), text: excerpt.Error(err, 1000)}
	level, text := slog.LevelInfo, "a message of an outbox was not published, and is tried again"
	if aside {
		f.state, level, text = setAside, slog.LevelError, "a message of an outbox was not published, and is set aside"
	} else {
		f.dueAt = time.Now().Add(min(max(time.Since(first), shortest), longest)).UnixMilli()
	}
	d.ledger.fail(f)
	logattr.Or(d.relay.log).LogAttrs(ctx, level, text,
		slog.String("table", d.relay.table), slog.Int64("seq", s.seq), slog.String("message_id", excerpt.Of(s.envelope.ID, 256)),
		slog.String("to", excerpt.Of(s.to.String(), 512)), logattr.Err(err))
}
