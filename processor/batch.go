package processor

import (
	"context"
	"errors"
)

// BatchPublisher is implemented by a [Publisher] that can have many messages on their way at
// once and keep their order. It may be called by many goroutines at once. [PublishBatch] calls it.
type BatchPublisher interface {
	// PublishBatch sends the messages of batch in their order, and waits for all of them
	// together. It returns nil when the broker has every one, and otherwise an error or nil
	// for each, as Publish would.
	//
	// A message that cannot be sent whatever is tried is found before anything is sent. Once
	// one could not be sent, or the channel is lost, none after it is: that is [ErrSkipped].
	// Bodies and headers are not kept after it returns.
	PublishBatch(ctx context.Context, to Destination, batch []Envelope) []error
}

// ErrSkipped is the error of a message that was not sent because its batch had ended before
// it. It is not stored.
var ErrSkipped = errors.New("not sent, because the batch ended before it")

// PublishBatch publishes a batch with p as a [BatchPublisher] would, also if p is none: the
// messages then go one by one, and after one that could not be sent none is. p itself is asked,
// and none that it decorates: a batch passes no decorator by.
func PublishBatch(ctx context.Context, p Publisher, to Destination, batch []Envelope) []error {
	if many, ok := p.(BatchPublisher); ok {
		return many.PublishBatch(ctx, to, batch)
	}
	errs := make([]error, len(batch))
	failed, over := false, false
	for i, e := range batch {
		if over {
			errs[i] = ErrSkipped
			continue
		}
		if errs[i] = p.Publish(ctx, to, e); errs[i] != nil {
			failed, over = true, !errors.Is(errs[i], ErrUnroutable) // which comes after it was sent
		}
	}
	if !failed {
		return nil
	}
	return errs
}
