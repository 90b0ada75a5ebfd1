package reply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/processor"
)

const (
	// probeTime is how long a worker waits for a caller whose queue has not answered before.
	probeTime = time.Second
	// probeEvery is how often at least such a caller is tried.
	probeEvery = 5 * time.Second
	// begunLater is how much later than a reply another was begun whose answer shows that the broker is well.
	begunLater = time.Second
)

// errSilent is why a reply is not sent.
var errSilent = fmt.Errorf("reply: not sent, since the last one was not answered: %w", processor.ErrSilent)

// isSilent notes what the outcome of a reply says about its destination, and reports whether that is the one that does not answer:
// the publisher says so, or another caller's reply was taken meanwhile. Otherwise it may be the broker that takes nothing, and the
// reply of a caller that is well must not be lost.
func (r *reply) isSilent(ctx context.Context, to processor.Destination, begun time.Time, err error) bool {
	switch {
	case err == nil, errors.Is(err, processor.ErrUnroutable), errors.Is(err, processor.ErrRefused) && !errors.Is(err, processor.ErrIndeterminate):
		r.silences.Answered(to, begun)
		return false
	case waited(ctx, err) && errors.Is(err, processor.ErrSilent), r.othersAnswered(ctx, to, begun, err):
		r.silences.Add(to)
		return true
	}
	r.silences.Forget(to)
	return false
}

// othersAnswered reports whether there was no answer to a reply, though there was one to another caller's.
func (r *reply) othersAnswered(ctx context.Context, to processor.Destination, begun time.Time, err error) bool {
	return waited(ctx, err) && r.silences.HeardBesides(to, begun.Add(begunLater))
}

// waited reports whether a publish has ended because there was no answer.
func waited(ctx context.Context, err error) bool {
	none := errors.Is(err, processor.ErrBlocked) || errors.Is(err, processor.ErrIndeterminate) || errors.Is(err, context.DeadlineExceeded)
	return none && !processor.CutShort(ctx)
}
