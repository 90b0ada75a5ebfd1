package reply

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

const (
	// probeTime is how long a worker waits for a caller whose queue has not answered before.
	probeTime = 2 * time.Second
	// probeEvery is how often at least such a caller is tried.
	probeEvery = 5 * time.Second
	// begunLater is how much later than a reply another was begun whose answer shows that the broker is well.
	begunLater = 250 * time.Millisecond
)

// errWaited is why a reply is not sent: what became of the one before shows neither that its caller is well nor that it is not.
var errWaited = errors.New("another reply to this caller is not answered yet")

// turn returns what may become of a reply. While another to a silent caller is in flight, it waits for the end of that: if the
// caller is well again, all its replies are sent.
func (r *reply) turn(ctx context.Context, to processor.Destination) silent.Verdict {
	v := r.silences.Ask(to)
	if v != silent.Asked {
		return v
	}
	ctx, done := processor.InFlight(ctx)
	defer done()
	patience := time.NewTimer(probeTime)
	defer patience.Stop()
	select {
	case <-r.silences.Landed(to):
	case <-patience.C:
	case <-ctx.Done():
		return silent.Asked
	}
	return r.silences.Ask(to)
}

// isSilent reports whether it is this destination that does not answer: another caller's reply was taken meanwhile, or since the last
// ones to this caller, which were not answered either. Otherwise it may be the broker that takes nothing, or all its queues, and the
// reply of a caller that is well must not be lost. So the word of the publisher, which may know only its own part, is not enough.
func (r *reply) isSilent(ctx context.Context, to processor.Destination, begun time.Time, err error) bool {
	return waited(ctx, err) && r.silences.HeardBesides(to, r.silences.Unanswered(to, begun).Add(begunLater))
}

// waited reports whether a publish has ended because there was no answer.
func waited(ctx context.Context, err error) bool {
	for _, none := range []error{processor.ErrSilent, processor.ErrBlocked, processor.ErrIndeterminate, context.DeadlineExceeded} {
		if callback.Is(err, none) {
			return !processor.CutShort(ctx)
		}
	}
	return false
}

// isAnswer reports whether the destination has answered.
func isAnswer(err error) bool {
	return err == nil || callback.Is(err, processor.ErrUnroutable) || isRefusal(err)
}

func isRefusal(err error) bool {
	return callback.Is(err, processor.ErrRefused) && !callback.Is(err, processor.ErrIndeterminate)
}

// silence notes that the destination does not answer, which is logged once.
func (r *reply) silence(ctx context.Context, msg processor.Message, to processor.Destination, err error) {
	_, first := r.silences.Add(to)
	r.silences.Drop(to)
	if first {
		logattr.Or(r.sender.Log).LogAttrs(ctx, slog.LevelWarn, "the queue of a caller does not answer, and its replies are dropped until it does",
			append(logattr.Of(msg, err), slog.String("to", to.String()))...)
	}
}

// over logs how many replies a caller has lost.
func (r *reply) over(s silent.Silence) {
	what := "a caller whose queue did not answer has not asked for a while, and is forgotten"
	if s.Answered {
		what = "the queue of a caller answers again"
	}
	logattr.Or(r.sender.Log).LogAttrs(context.Background(), slog.LevelWarn, what,
		slog.String("to", s.To.String()), slog.Int("dropped", s.Dropped))
}
