package outbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/processor"
)

// drain is how long messages in flight have when the relay ends.
const drain = 2 * time.Second

// delivery is what became of the messages of a claim. What is in neither list is as it was.
type delivery struct {
	relay     *Relay
	confirmed []any // their numbers
	failed    []failure
	trouble   error // why not all were tried
}

func (d *delivery) settled() int { return len(d.confirmed) + len(d.failed) }

// deliver publishes rows. Those with one order key go one after the other, each when the one before it is confirmed:
// if they were in flight together, one could be refused and the next be taken. All others go at the same time.
func (r *Relay) deliver(ctx context.Context, c *claim, rows []stored) *delivery {
	longer, done := outlive(ctx, drain)
	defer done()
	// A third of the lease is left for the differences of clocks, and to write down what was published.
	end := c.until.Add(-r.lease / 3)
	longer, cancel := context.WithDeadline(longer, end)
	defer cancel()
	goesOn := func() bool { return ctx.Err() == nil && time.Now().Before(end) }
	d := &delivery{relay: r}
	fresh, suspects := split(byKey(rows))
	d.waves(longer, fresh, goesOn)
	// Each by itself: a message that makes the broker close the channel takes no others with it.
	for _, queue := range suspects {
		d.waves(longer, [][]stored{queue}, goesOn)
	}
	return d
}

// split takes the queues apart whose first message has failed before.
func split(queues [][]stored) (fresh, suspects [][]stored) {
	for _, q := range queues {
		if q[0].failedAt == 0 {
			fresh = append(fresh, q)
		} else {
			suspects = append(suspects, q)
		}
	}
	return fresh, suspects
}

// waves publishes the messages of queues.
func (d *delivery) waves(ctx context.Context, queues [][]stored, goesOn func() bool) {
	for len(queues) > 0 && d.trouble == nil && goesOn() {
		queues = d.wave(ctx, queues)
	}
}

// byKey returns a queue for each order key, and one for each message without.
func byKey(rows []stored) [][]stored {
	var queues [][]stored
	places := map[string]int{}
	for _, s := range rows {
		at, known := places[s.orderKey]
		if !known || s.orderKey == "" {
			at = len(queues)
			places[s.orderKey], queues = at, append(queues, nil)
		}
		queues[at] = append(queues[at], s)
	}
	return queues
}

// wave publishes the first message of each queue, and returns what is left of those that can go on.
func (d *delivery) wave(ctx context.Context, queues [][]stored) [][]stored {
	firsts := make([]stored, len(queues))
	for i, q := range queues {
		firsts[i] = q[0]
	}
	var left [][]stored
	before := d.settled()
	for i, err := range d.publish(ctx, firsts) {
		switch d.note(ctx, firsts[i], err) {
		case confirmed:
			if len(queues[i]) > 1 {
				left = append(left, queues[i][1:])
			}
		case skipped:
			left = append(left, queues[i])
		case failed, untried:
		}
	}
	if d.settled() == before && d.trouble == nil && len(left) > 0 {
		d.trouble = fmt.Errorf("outbox: %d messages were not sent: %w", len(left), processor.ErrSkipped)
	}
	return left
}

// publish publishes messages, a batch for each destination, all at the same time.
func (d *delivery) publish(ctx context.Context, messages []stored) []error {
	errs := make([]error, len(messages))
	batches := map[processor.Destination][]int{}
	for i, s := range messages {
		if s.problem != nil {
			errs[i] = &unreadableError{s.problem}
		} else {
			batches[s.to] = append(batches[s.to], i)
		}
	}
	var all sync.WaitGroup
	for to, places := range batches {
		all.Go(func() {
			batch := make([]processor.Envelope, len(places))
			for i, place := range places {
				batch[i] = messages[place].envelope
			}
			for i, err := range processor.PublishBatch(ctx, d.relay.next, to, batch) {
				errs[places[i]] = err
			}
		})
	}
	all.Wait()
	return errs
}

// outlive returns a context that ends d after ctx.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
