// Package unbegun says what becomes of a message that a layer did not begin.
package unbegun

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// Result is the result of a layer that did not begin a message because of err: the message goes back
// untouched, unless it had a time of its own, which is over. Then it has failed: it would never be begun
// if that time is too short, and go back without end.
func Result(ctx context.Context, err error) error {
	if ctx.Err() != nil && !processor.CutShort(ctx) {
		return err
	}
	return processor.Release(err)
}
