package outbox

import (
	"context"
	"time"

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
	// crowd is how many keys of an exchange are in flight or not answered before no others are taken: all
	// of them may lead to one queue that hangs.
	crowd = 4
	// maxHeld is how many times the usual number of messages are in flight while destinations are late.
	maxHeld = 4
)

// delivery publishes the messages of a claim. Each destination has a batch in flight by itself, and none waits for another:
// while one is late the worker goes on with what it finds for others. What is not in the ledger is as it was.
type delivery struct {
	relay  *Relay
	claim  *claim
	ledger ledger

	publishing context.Context //nolint:containedctx // of all batches
	last       time.Time       // after that nothing is begun

	fresh, suspects [][]stored
	flights         map[processor.Destination]*flight
	out             map[processor.Destination]*flight // they brought no answer, and no other is begun
	landed          chan *flight
	heard           bool  // there was an answer
	again           bool  // it has looked again because of those in out
	trouble         error // why not all were tried
}

// deliver publishes what a claim has, until it is empty, the lease is nearly over, or ctx ends.
func (r *Relay) deliver(ctx context.Context, c *claim) *delivery {
	longer, done := outlive(ctx, drain)
	defer done()
	// A third of the lease is left for the differences of clocks, and to write down what was published.
	end := c.until.Add(-r.lease / 3)
	longer, cancel := context.WithDeadline(longer, end)
	defer cancel()
	d := &delivery{
		relay: r, claim: c, publishing: longer, last: end.Add(-r.lease / 30),
		flights: map[processor.Destination]*flight{}, out: map[processor.Destination]*flight{}, landed: make(chan *flight),
	}
	d.run(ctx)
	d.judge(ctx)
	return d
}

func (d *delivery) run(ctx context.Context) {
	looks := time.NewTicker(late)
	defer looks.Stop()
	d.look(ctx)
	for {
		d.begin(ctx)
		switch {
		case len(d.flights) > 0:
			select {
			case f := <-d.landed:
				d.land(ctx, f)
			case <-looks.C:
				d.look(ctx)
			}
		case len(d.out) > 0 && !d.again:
			// What has brought no answer may be in front of what others would take.
			d.again = true
			d.look(ctx)
		default:
			return
		}
	}
}

func (d *delivery) goesOn(ctx context.Context) bool {
	return ctx.Err() == nil && d.trouble == nil && time.Now().Before(d.last)
}

// look reads what can be published now. While others are in flight it claims more slots for that, and writes down first what is
// known: of a key only that tells which message is next.
func (d *delivery) look(ctx context.Context) {
	held := d.held()
	if !d.goesOn(ctx) || len(held) > maxHeld*d.relay.batch {
		return
	}
	var err error
	if len(d.flights)+len(d.out) > 0 {
		if err = d.relay.settle(ctx, d.claim, &d.ledger, false); err == nil {
			err = d.relay.extend(ctx, d.claim)
		}
	}
	if err == nil {
		err = d.read(ctx, held)
	}
	if err != nil {
		d.trouble = err
	}
}

// held is what the delivery has in its hands.
func (d *delivery) held() map[int64]bool {
	held := map[int64]bool{}
	add := func(queues [][]stored) {
		for _, q := range queues {
			for _, s := range q {
				held[s.seq] = true
			}
		}
	}
	add(d.fresh)
	add(d.suspects)
	for _, f := range d.flights {
		add(f.queues)
	}
	return held
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
	for len(d.fresh) == 0 && len(d.suspects) > 0 && d.allLate() {
		first := d.suspects[:1:1]
		d.suspects = d.suspects[1:]
		d.launch(ctx, first)
	}
}

func (d *delivery) allLate() bool {
	for _, f := range d.flights {
		if time.Since(f.begun) < late {
			return false
		}
	}
	return true
}

// launch returns the queues that have to wait.
func (d *delivery) launch(ctx context.Context, queues [][]stored) (left [][]stored) {
	next := map[processor.Destination]*flight{}
	for _, q := range queues {
		s := q[0]
		switch {
		case s.problem != nil:
			d.note(ctx, s, &unreadableError{s.problem})
		case d.flights[s.to] != nil:
			left = append(left, q)
		case d.out[s.to] != nil: // it is as it was
		default:
			if next[s.to] == nil {
				next[s.to] = &flight{to: s.to}
			}
			next[s.to].queues = append(next[s.to].queues, q)
		}
	}
	for to, f := range next {
		switch d.relay.silences.Ask(to) {
		case silent.Asked, silent.Later:
			continue
		case silent.Probe:
			f.queues = f.queues[:1]
		case silent.Free:
		}
		d.flights[to] = f
		f.begun = time.Now()
		go func() {
			defer func() { d.landed <- f }()
			f.fly(d.publishing, d.relay.next)
		}()
	}
	return left
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

// outlive returns a context that ends d after ctx.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}
