package retrying

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// history is the outcome of one message's tries.
type history struct {
	tries  int
	last   error
	before error // the last but one
	doubt  error // the last of unknown outcome; nil if there is none
}

func (h *history) add(err error) {
	h.tries++
	h.before, h.last = h.last, err
	if callback.Is(err, processor.ErrIndeterminate) {
		h.doubt = err
	}
}

// end is the error of a message that is given up, because of stop if that is not nil.
func (h *history) end(ctx context.Context, stop error) error {
	err := h.last
	if stop != nil {
		err = fmt.Errorf("%w: %w", stop, err)
	}
	if earlier := h.earlier(ctx); earlier != nil {
		err = fmt.Errorf("%w; before that: %w", err, earlier)
	}
	return fmt.Errorf("retrying: tries: %d: %w", h.tries, err)
}

// interrupted is the error of a message that is not retried because ctx is over.
func (h *history) interrupted(ctx context.Context) error {
	stop := context.Cause(ctx)
	switch {
	case callback.Is(h.last, ctx.Err()):
		stop = nil // ctx's own error says so
	case !callback.Is(stop, ctx.Err()):
		stop = fmt.Errorf("%w: %w", ctx.Err(), stop)
	}
	return h.end(ctx, stop)
}

// earlier is what the last error does not say. A later refusal does not settle a try of unknown
// outcome, and a try that only came too late does not explain the retry.
func (h *history) earlier(ctx context.Context) error {
	switch {
	case callback.Is(h.last, processor.ErrIndeterminate):
		return nil
	case h.doubt != nil:
		return h.doubt
	case ctx.Err() != nil && callback.Is(h.last, ctx.Err()):
		return h.before
	}
	return nil
}
