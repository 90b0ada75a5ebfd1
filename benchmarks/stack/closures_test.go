package stack_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/gowarren/warren/processor"
)

// closure is what people write who need no library. It works on Warren's messages, so
// that nothing but the layers differs.
type closure func(ctx context.Context, msg processor.Message) error

func closureStack(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	process := settle(republish(t, rescue(returns(handler))))
	ctx := tb.Context()
	return func() error { return process(ctx, delivery(t)) }
}

func closureLayers(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	process := returns(handler)
	for range layers {
		process = pass(process)
	}
	ctx, msg := tb.Context(), delivery(t)
	return func() error { return process(ctx, msg) }
}

func returns(err error) closure {
	return func(context.Context, processor.Message) error { return err }
}

func pass(next closure) closure {
	return func(ctx context.Context, msg processor.Message) error { return next(ctx, msg) }
}

func settle(next closure) closure {
	return func(ctx context.Context, msg processor.Message) error {
		if err := next(ctx, msg); err != nil {
			return errors.Join(err, msg.Nack(false))
		}
		return msg.Ack()
	}
}

// republish knows nothing of limits, final keys and broken headers.
func republish(p processor.Publisher, next closure) closure {
	return func(ctx context.Context, msg processor.Message) error {
		if next(ctx, msg) == nil {
			return nil
		}
		headers := msg.Headers().Clone()
		attempt, _ := headers.Int64("attempts")
		attempt++
		headers["attempts"] = attempt
		to := processor.Destination{RoutingKey: "work_retry_" + strconv.FormatInt(attempt, 10)}
		return p.Publish(ctx, to, processor.Envelope{Body: msg.Body(), Headers: headers, Properties: msg.Properties()})
	}
}

func rescue(next closure) closure {
	return func(ctx context.Context, msg processor.Message) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		return next(ctx, msg)
	}
}
