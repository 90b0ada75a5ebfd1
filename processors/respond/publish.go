package respond

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// publish sends results, a batch for each destination, all at the same time. It returns those that were not
// confirmed, and why.
func publish(ctx context.Context, p processor.Publisher, results []Result) ([]Result, error) {
	batches := byDestination(results)
	errs := make([][]error, len(batches))
	var sent sync.WaitGroup
	for i, b := range batches[1:] {
		sent.Go(func() { errs[i+1] = publishBatch(ctx, p, b) })
	}
	errs[0] = publishBatch(ctx, p, batches[0])
	sent.Wait()

	var left []Result
	var problems []error
	for i, b := range batches {
		for j, err := range errs[i] {
			if err != nil {
				left, problems = append(left, b[j]), append(problems, err)
			}
		}
	}
	return left, errors.Join(problems...)
}

// publishBatch sends results to one destination. A publisher that panics has failed: they may be
// stored or not.
func publishBatch(ctx context.Context, p processor.Publisher, b []Result) (errs []error) {
	err := callback.Call("respond: the publisher", func() { errs = processor.PublishBatch(ctx, p, b[0].To, envelopes(b)) })
	if err != nil {
		errs = make([]error, len(b))
		for i := range errs {
			errs[i] = fmt.Errorf("%w: %w", processor.ErrIndeterminate, err)
		}
	}
	return errs
}

// byDestination groups results, and keeps the order of each group. There is at least one.
func byDestination(results []Result) [][]Result {
	var groups [][]Result
	places := map[processor.Destination]int{}
	for _, r := range results {
		at, known := places[r.To]
		if !known {
			at = len(groups)
			places[r.To], groups = at, append(groups, nil)
		}
		groups[at] = append(groups[at], r)
	}
	return groups
}

func envelopes(results []Result) []processor.Envelope {
	es := make([]processor.Envelope, len(results))
	for i, r := range results {
		es[i] = r.Envelope
	}
	return es
}
