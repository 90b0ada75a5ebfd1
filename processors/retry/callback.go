package retry

import (
	"context"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// key makes the routing key of a retry.
func (r *retry) key(attempt int, msg processor.Message, err error) (key string, problem error) {
	if r.keyFunc == nil {
		return r.patternKey(attempt), nil
	}
	problem = callback.After("retry: the function given to Keys", err, func() { key = r.keyFunc(attempt, msg) })
	return key, problem
}

// tell calls [OnRepublish].
func (r *retry) tell(ctx context.Context, ev Event) error {
	if r.notify == nil {
		return nil
	}
	return callback.After("retry: the function given to OnRepublish", ev.Err, func() { r.notify(ctx, ev) })
}
