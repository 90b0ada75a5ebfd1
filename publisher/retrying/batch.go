package retrying

import (
	"context"
	"slices"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// PublishBatch publishes batch through next, and then each failed message by itself, as Publish
// does. Messages that were skipped meanwhile follow as a batch of their own, unless an earlier
// message has finally failed. The caller's batch is not changed: missing ids are set on a copy.
func (p *publisher) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	batch, errs := p.withIDs(batch)
	if errs != nil {
		return errs
	}
	errs = make([]error, len(batch))
	for first := 0; first < len(batch); {
		answers := processor.PublishBatch(ctx, p.next, to, batch[first:])
		if answers == nil {
			clear(errs[first:])
			break
		}
		skipped, over := p.settle(ctx, to, batch[first:], answers)
		copy(errs[first:], answers)
		if over || skipped <= 0 {
			break
		}
		first += skipped
	}
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return nil
	}
	return errs
}

// settle retries the failed messages, one after the other, and puts the outcome in answers. It
// returns the place of the first that was skipped, -1 if none was, and whether one failed that ends
// the batch.
func (p *publisher) settle(ctx context.Context, to processor.Destination, batch []processor.Envelope, answers []error) (skipped int, over bool) {
	skipped = slices.IndexFunc(answers, isSkipped)
	for i, err := range answers {
		if err == nil || isSkipped(err) {
			continue
		}
		answers[i] = p.insist(ctx, to, batch[i], err)
		if answers[i] != nil && !callback.Is(answers[i], processor.ErrUnroutable) {
			over = true
		}
	}
	return skipped, over
}

func isSkipped(err error) bool { return callback.Is(err, processor.ErrSkipped) }

// withIDs returns a copy of batch in which each message has an id. If one cannot get an id, none is
// published, and the errors say why.
func (p *publisher) withIDs(batch []processor.Envelope) ([]processor.Envelope, []error) {
	batch = slices.Clone(batch)
	for i := range batch {
		if batch[i].ID != "" {
			continue
		}
		id, err := p.newID()
		if err != nil {
			errs := slices.Repeat([]error{processor.ErrSkipped}, len(batch))
			errs[i] = err
			return nil, errs
		}
		batch[i].ID = id
	}
	return batch, nil
}
