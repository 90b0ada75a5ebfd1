package respond

import (
	"context"
	"errors"
	"sync"

	"github.com/gowarren/warren/processor"
)

// publish sends results, a batch for each destination, all at the same time. It returns those that were not
// confirmed, and why.
func publish(ctx context.Context, p processor.Publisher, results []Result) ([]Result, error) {
	batches := byDestination(results)
	errs := make([][]error, len(batches))
	var sent sync.WaitGroup
	for i, b := range batches[1:] {
		sent.Go(func() { errs[i+1] = processor.PublishBatch(ctx, p, b[0].To, envelopes(b)) })
	}
	errs[0] = processor.PublishBatch(ctx, p, batches[0][0].To, envelopes(batches[0]))
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
