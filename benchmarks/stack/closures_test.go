package stack_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gowarren/warren/processor"
)

// closure is what people write without a library. It works on Warren's messages, so that only the
// layers differ.
type closure func(ctx context.Context, msg processor.Message) error

func closureStack(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	process := settle(republish(t, rescue(returns(handler))))
	ctx := tb.Context()
	return func() error { return process(ctx, delivery(t)) }
}

// closureShipped does what the seven do for a message that succeeds.
func closureShipped(tb testing.TB, t *tally, handler error) func() error {
	tb.Helper()
	process := settle(republish(t, limit(math.MaxInt, decompress(record(again(3, rescue(returns(handler))))))))
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

// republish ignores limits, park keys and broken headers.
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

func limit(n int64, next closure) closure {
	var begun atomic.Int64
	return func(ctx context.Context, msg processor.Message) error {
		if begun.Add(1) > n {
			return processor.ErrStop
		}
		return next(ctx, msg)
	}
}

// decompress knows no encoding.
func decompress(next closure) closure {
	return func(ctx context.Context, msg processor.Message) error {
		if e := msg.Properties().ContentEncoding; e != "" {
			return errors.New("unknown encoding " + e)
		}
		return next(ctx, msg)
	}
}

func record(next closure) closure {
	return func(ctx context.Context, msg processor.Message) error {
		start := time.Now()
		err := next(ctx, msg)
		if err != nil {
			slog.ErrorContext(ctx, "message failed", slog.Any("error", err), slog.Duration("duration", time.Since(start)))
		}
		return err
	}
}

func again(tries int, next closure) closure {
	return func(ctx context.Context, msg processor.Message) error {
		var err error
		for range tries {
			if err = next(ctx, msg); err == nil {
				break
			}
		}
		return err
	}
}
