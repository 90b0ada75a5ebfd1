package outbox

import (
	"context"
	"time"

	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

const (
	// drain is how long messages in flight have when the relay ends.
	drain = 2 * time.Second
	// late is after how long the worker looks for messages to other destinations than those in flight.
	late = 250 * time.Millisecond
	// enough is how long a destination has to have been silent before that means anything.
	enough = time.Second
	// maxHeld is how many times the usual number of messages, and of bytes, are in flight while destinations are late.
	maxHeld = 4
)

// delivery publishes the messages of a claim. Each destination has a batch in flight by itself, and none waits for another:
// while all that are in flight are late, the worker goes on with what it finds for others. What is not in the ledger is as it was.
type delivery struct {
	relay  *Relay
	claim  *claim
	ledger ledger

	publishing context.Context //nolint:containedctx // of all batches
	writing    context.Context //nolint:containedctx // of what the database does
	last       time.Time       // after that nothing is begun

	fresh, suspects [][]stored
	flights         map[processor.Destination]*flight
	out             map[processor.Destination]*flight // they brought no answer, and no other is begun
	landed          chan *flight

	looksNext bool  // it looks again when all in flight are late
	again     bool  // it has looked again because of those in out
	blind     bool  // a look took too long
	heard     bool  // there was an answer
	found     bool  // there was a silence that others may have been behind
	trouble   error // why not all were tried
}

// deliver publishes what a claim has, until it is empty, the lease is nearly over, or ctx ends.
func (r *Relay) deliver(ctx, writing context.Context, c *claim) *delivery {
	longer, done := patience.Outlive(ctx, drain)
	defer done()
	// A third of the lease is left for the differences of clocks, and to write down what was published.
	end := c.until.Add(-r.lease / 3)
	longer, cancel := context.WithDeadline(longer, end)
	defer cancel()
	d := &delivery{
		relay: r, claim: c, publishing: longer, writing: writing, last: end.Add(-r.lease / 30),
		flights: map[processor.Destination]*flight{}, out: map[processor.Destination]*flight{}, landed: make(chan *flight),
	}
	d.run(ctx)
	d.judge(ctx)
	return d
}

func (d *delivery) run(ctx context.Context) {
	ticks := time.NewTicker(late)
	defer ticks.Stop()
	d.read(ctx)
	for {
		d.begin(ctx)
		switch {
		case len(d.flights) == 0 && (len(d.out) == 0 || d.again):
			return
		case len(d.flights) == 0:
			// What has brought no answer may be in front of what others would take.
			d.again = true
			d.look(ctx)
		case d.looksNext && d.allLate():
			d.looksNext = false
			d.look(ctx)
		default:
			d.wait(ctx, ticks.C)
		}
	}
}

// wait waits for a batch to land, or the time to look for more. A batch may outlast its context, and the lease: what others have
// brought is written down meanwhile.
func (d *delivery) wait(ctx context.Context, tick <-chan time.Time) {
	select {
	case f := <-d.landed:
		d.land(ctx, f)
		d.looksNext = true
	case <-tick:
		if d.publishing.Err() != nil {
			d.settle()
		}
		d.looksNext = true
	}
}

func (d *delivery) goesOn(ctx context.Context) bool {
	return ctx.Err() == nil && d.trouble == nil && time.Now().Before(d.last)
}

// allLate reports whether nothing in flight is expected to land soon. Of a silent destination it is not.
func (d *delivery) allLate() bool {
	for _, f := range d.flights {
		if !f.probe && time.Since(f.begun) < late {
			return false
		}
	}
	return true
}

// begin begins a batch for each destination that has none in flight: the first messages of queues. Those with one order key go one
// after the other, each when the one before it is confirmed: if they were in flight together, one could be refused and the next be
// taken.
//
// A message that has failed before is by itself, but for those that are late: if it makes the broker close the channel, it takes no
// others with it.
func (d *delivery) begin(ctx context.Context) {
	if !d.goesOn(ctx) {
		d.fresh, d.suspects = nil, nil
		return
	}
	d.fresh = d.launch(ctx, d.fresh)
	for len(d.suspects) > 0 && d.allLate() {
		first := d.suspects[:1:1]
		d.suspects = d.suspects[1:]
		d.launch(ctx, first) // one that would wait is as it was, and is read again
	}
}

// launch begins batches with the first messages of queues, and returns the queues that wait for one in flight. What is for a
// destination that brings no answer is as it was.
func (d *delivery) launch(ctx context.Context, queues [][]stored) (waiting [][]stored) {
	next := map[processor.Destination]*flight{}
	for _, q := range queues {
		s := q[0]
		switch {
		case s.problem != nil:
			d.note(ctx, s, &unreadableError{s.problem})
		case d.flights[s.to] != nil:
			waiting = append(waiting, q)
		case d.out[s.to] == nil:
			if next[s.to] == nil {
				next[s.to] = &flight{to: s.to}
			}
			next[s.to].queues = append(next[s.to].queues, q)
		}
	}
	for _, f := range next {
		d.start(f)
	}
	return waiting
}

// start begins a batch, or only one message of it, if its destination may be sent to.
func (d *delivery) start(f *flight) {
	switch d.relay.silences.Ask(f.to) {
	case silent.Asked, silent.Later:
		return
	case silent.Probe:
		f.queues, f.probe = f.queues[:1], true
		d.looksNext = true // the others of this read were for it, perhaps
	case silent.Free:
	}
	d.flights[f.to] = f
	f.begun = time.Now()
	go func() {
		defer func() { d.landed <- f }()
		f.fly(d.publishing, d.relay.next)
	}()
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
