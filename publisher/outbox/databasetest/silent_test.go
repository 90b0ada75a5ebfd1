package databasetest_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/outbox"
)

var (
	hung   = processor.Destination{RoutingKey: "hung"}
	served = processor.Destination{RoutingKey: "served"}
)

// partly is a publisher of which some destinations do not answer, as RabbitMQ's is.
type partly struct {
	*sink

	silent func(to processor.Destination) bool
	atOnce bool // it does not wait for the answer
	tries  atomic.Int64
}

func (p *partly) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	if !p.silent(to) {
		return processor.PublishBatch(ctx, p.sink, to, batch)
	}
	p.tries.Add(1)
	if !p.atOnce {
		<-ctx.Done()
	}
	errs := slices.Repeat([]error{processor.ErrSkipped}, len(batch))
	errs[0] = fmt.Errorf("%w: %w", processor.ErrBlocked, context.DeadlineExceeded)
	return errs
}

// Publish is for a batch of one.
func (p *partly) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if errs := p.PublishBatch(ctx, to, []processor.Envelope{e}); errs != nil {
		return errs[0]
	}
	return nil
}

func only(to processor.Destination) func(processor.Destination) bool {
	return func(d processor.Destination) bool { return d == to }
}

func numbered(prefix string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint(prefix, i)
	}
	return texts
}

// soon is how long messages for a destination that answers may take while another does not.
const soon = 3 * time.Second

// A round waited for all its destinations, and read the rows of the silent one first again.
func TestADestinationThatDoesNotAnswerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, atOnce := range map[string]bool{"waits": false, "answers at once": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, d *database) {
				s := &partly{sink: newSink(), silent: only(hung), atOnce: atOnce}
				p := must.Have(outbox.New(d.dialect))
				d.write(t, p, hung, numbered("h", 600)...)
				r, _ := d.relay(t, s, outbox.Lease(6*time.Second), outbox.Poll(100*time.Millisecond), outbox.Workers(2), outbox.Batch(50))
				for i := 0; i < 10 || s.tries.Load() < 5; i++ {
					written := time.Now()
					d.write(t, p, served, fmt.Sprint(i))
					r.Wake()
					require.Equal(t, fmt.Sprint(i), s.next(t))
					require.Less(t, time.Since(written), soon)
				}
				require.Less(t, s.tries.Load(), int64(100), "it is asked less and less often")
				require.Equal(t, 600, d.count(t, "warren_outbox WHERE routing_key = 'hung' AND state = 0 AND due_at = 0"), "its rows are left as they are")
			})
		})
	}
}

// Each key of a topic exchange is a destination.
func TestManyKeysThatDoNotAnswerHoldUpNoOtherExchange(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["postgres"])
	s := &partly{sink: newSink(), silent: func(to processor.Destination) bool { return to.Exchange == "events" }}
	p := must.Have(outbox.New(d.dialect))
	d.transact(t, func(ctx context.Context) {
		for i := range 1000 {
			require.NoError(t, p.Publish(ctx, processor.Destination{Exchange: "events", RoutingKey: fmt.Sprint(i)}, processor.Envelope{}))
		}
	})
	r, _ := d.relay(t, s, outbox.Lease(6*time.Second), outbox.Batch(50))
	for i := range 10 {
		written := time.Now()
		d.write(t, p, served, fmt.Sprint(i))
		r.Wake()
		require.Equal(t, fmt.Sprint(i), s.next(t))
		require.Less(t, time.Since(written), soon)
	}
}

// A row that waits for its next try would wait for up to a minute after the end of the trouble.
func TestABrokerThatTakesNothingCostsNoMessageATry(t *testing.T) {
	t.Parallel()
	for name, atOnce := range map[string]bool{"waits": false, "answers at once": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, d *database) {
				var answers atomic.Bool
				s := &partly{sink: newSink(), silent: func(processor.Destination) bool { return !answers.Load() }, atOnce: atOnce}
				p := must.Have(outbox.New(d.dialect))
				d.write(t, p, hung, numbered("h", 100)...)
				d.write(t, p, served, numbered("s", 100)...)
				r, _ := d.relay(t, s, outbox.Lease(time.Second), outbox.Poll(100*time.Millisecond), outbox.Batch(20))
				require.Eventually(t, func() bool { return s.tries.Load() > 20 }, 30*time.Second, 10*time.Millisecond)
				require.Equal(t, 200, d.count(t, "warren_outbox WHERE state = 0 AND due_at = 0 AND failed_at = 0"))
				answers.Store(true)
				s.take(t, 200)
				isEmpty(t, r)
			})
		})
	}
}

// What is due later, because its destination does not answer, holds up its key, and is sent when there is an answer.
func TestAKeyWaitsForItsMessageWhoseDestinationDoesNotAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		var answers atomic.Bool
		s := &partly{sink: newSink(), silent: func(to processor.Destination) bool { return to == hung && !answers.Load() }}
		p := must.Have(outbox.New(d.dialect, outbox.OrderBy(byText)))
		d.write(t, p, hung, "a1")
		d.write(t, p, served, "a2")
		d.write(t, p, hung, "a3")
		r, _ := d.relay(t, s, outbox.Lease(3*time.Second), outbox.Poll(50*time.Millisecond))
		for i := 0; i < 10 || s.tries.Load() < 3; i++ {
			d.write(t, p, served, "b")
			r.Wake()
			require.Equal(t, "b", s.next(t), "a2 has to wait")
		}
		answers.Store(true)
		require.Equal(t, []string{"a1", "a2", "a3"}, s.take(t, 3))
		isEmpty(t, r)
	})
}
