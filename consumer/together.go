package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// RunAll runs several consumers in one process until ctx is cancelled. The first one that fails ends all: they drain
// at the same time, each with its own drain timeout. One that ends regularly, because a processor stops it or its
// source ends, leaves the others running. It returns when all have returned, with their errors. See package service.
//
// A nil consumer, one that is given twice, and none at all are errors, and nothing is run.
func RunAll(ctx context.Context, consumers ...*Consumer) error {
	if len(consumers) == 0 {
		return errors.New("consumer: RunAll was given no consumer")
	}
	for i, c := range consumers {
		if c == nil {
			return fmt.Errorf("consumer: RunAll: consumer %d is nil: look at the error that New returned with it", i+1)
		}
		if first := slices.Index(consumers, c); first < i {
			return fmt.Errorf("consumer: RunAll: consumers %d and %d are the same: give it more Workers", first+1, i+1)
		}
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	errs := make([]error, len(consumers))
	var running sync.WaitGroup
	for i, c := range consumers {
		running.Go(func() {
			if err := c.Run(ctx); err != nil {
				errs[i] = fmt.Errorf("consumer %d of %d: %w", i+1, len(consumers), err)
				end()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
