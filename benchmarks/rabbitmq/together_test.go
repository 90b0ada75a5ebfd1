package rabbitmq_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// together is the raw client with acks that travel together, as Warren's do: one for a quarter of the
// prefetch. It has one worker, which knows that nothing below is unfinished.
type together struct{ *rawClient }

var _ client = together{}

const batch = prefetch / 4

func newTogether(tb testing.TB, url string) client { tb.Helper(); return together{newRaw(tb, url)} }

func (c together) consume(ctx context.Context, queue string, n, _ int) (time.Time, error) {
	ch, err := c.consuming.Channel()
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = ch.Close() }()
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return time.Time{}, err
	}
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return time.Time{}, err
	}
	for i := 1; i <= n; i++ {
		select {
		case d := <-deliveries:
			if i%batch > 0 && i < n {
				continue
			}
			if err := d.Ack(true); err != nil {
				return time.Time{}, err
			}
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
	end := time.Now()
	return end, ch.Cancel(tag, false)
}

// BenchmarkBound has that client in Warren's place: what a consumer can reach on this client library
// by acking less often, if all else costs nothing.
func BenchmarkBound(b *testing.B) {
	benchmark(b, newTogether, func(name string) bool { return strings.Contains(name, "consume/") && strings.HasSuffix(name, "=1") })
}
