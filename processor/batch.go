package processor

import (
	"context"
	"errors"
)

// BatchPublisher is implemented by a [Publisher] that can have many messages in flight at
// once and keep their order. It may be called by many goroutines at once. [PublishBatch] calls it.
type BatchPublisher interface {
	// PublishBatch sends the messages of batch in their order, and waits for all of them
	// together. It returns nil when the broker has every one, and otherwise an error or nil
	// for each, as Publish would.
	//
	// A message that can never be sent is found before anything is sent. Once a message could
	// not be sent, or the channel is lost, no later one is: those have [ErrSkipped].
	// Bodies and headers are not kept after it returns.
	PublishBatch(ctx context.Context, to Destination, batch []Envelope) []error
}

// ErrSkipped is the error of a message that was not sent because its batch had ended before
// it. The message is not stored.
var ErrSkipped = errors.New("not sent, because the batch ended before it")

// PublishBatch publishes a batch with p. If p is no [BatchPublisher], the messages are published one
// by one, and none after one that could not be sent. A BatchPublisher that p decorates is not used,
// so that no decorator is bypassed.
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
			failed, over = true, !errors.Is(errs[i], ErrUnroutable) // known only after it was sent
		}
	}
	if !failed {
		return nil
	}
	return errs
}
