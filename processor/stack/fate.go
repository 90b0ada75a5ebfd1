package stack

import "context"

// Fate is what becomes of a message that has failed and that a layer has dealt with. To the layers outside, a
// copy that was published looks like a success: the message is acked. One that answers the sender has to know.
//
// A layer that retries calls [Retried] or [Parked] before it returns, one that leaves the retry to the broker
// calls [ComesBack], and one that lets no message through twice calls [Skipped]. A Fate belongs to one call of
// Process, and is not for several goroutines at once.
type Fate struct {
	// Retried is whether the message is processed again later.
	Retried bool
	// ComesBack is whether a message that is nacked is processed again later. It says nothing if an outer
	// layer has turned the failure into something else.
	ComesBack bool
	// Parked is the error of a message that was dealt with and is not processed again; nil if there is none.
	Parked error
	// Skipped is whether the message was processed before, and not now.
	Skipped bool
}

type fateKey struct{}

// WithFate returns a context whose layers report to fate.
func WithFate(ctx context.Context, fate *Fate) context.Context {
	return context.WithValue(ctx, fateKey{}, fate)
}

// Retried says to an outer layer, if one asks, that a message that failed is processed again later.
func Retried(ctx context.Context) {
	if fate, ok := ctx.Value(fateKey{}).(*Fate); ok {
		fate.Retried = true
	}
}

// ComesBack says to an outer layer, if one asks, that its queue brings back a message that failed.
func ComesBack(ctx context.Context) {
	if fate, ok := ctx.Value(fateKey{}).(*Fate); ok {
		fate.ComesBack = true
	}
}

// Skipped says to an outer layer, if one asks, that a message was processed before, and not now.
func Skipped(ctx context.Context) {
	if fate, ok := ctx.Value(fateKey{}).(*Fate); ok {
		fate.Skipped = true
	}
}

// Parked says to an outer layer, if one asks, that a message that failed with err is dealt with and not
// processed again.
func Parked(ctx context.Context, err error) {
	if fate, ok := ctx.Value(fateKey{}).(*Fate); ok {
		fate.Parked = err
	}
}
