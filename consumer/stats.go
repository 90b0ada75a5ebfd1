package consumer

import (
	"sync/atomic"

	"github.com/gowarren/warren/processor"
)

// Stats are counts of messages since the consumer was made.
type Stats struct {
	// Received is how many were taken from the source; a redelivered message counts again.
	Received uint64
	// Done, Dropped, Rejected, Failed and Requeued are how many ended that way, by what the pipeline returned. A
	// message that a retry layer has republished is done.
	Done, Dropped, Rejected, Failed, Requeued uint64
	// Released is how many were requeued untouched: at shutdown, or because a layer did not let them in. Messages not
	// processed before their channel was lost count too.
	Released uint64
	// InFlight is how many are being processed now, and Waiting how many wait for an earlier message with their key
	// ([OrderBy]).
	InFlight, Waiting int64
}

type counters struct {
	received, released atomic.Uint64
	inFlight, waiting  atomic.Int64
	actions            [processor.Requeued + 1]atomic.Uint64
}

func (c *counters) sum() Stats {
	return Stats{
		Received: c.received.Load(),
		Done:     c.actions[processor.Done].Load(),
		Dropped:  c.actions[processor.Dropped].Load(),
		Rejected: c.actions[processor.Rejected].Load(),
		Failed:   c.actions[processor.Failed].Load(),
		Requeued: c.actions[processor.Requeued].Load(),
		Released: c.released.Load(),
		InFlight: c.inFlight.Load(),
		Waiting:  c.waiting.Load(),
	}
}

// Plus returns the sum of both, for several consumers, or several of one queue one after the other.
func (s Stats) Plus(other Stats) Stats {
	return Stats{
		Received: s.Received + other.Received,
		Done:     s.Done + other.Done,
		Dropped:  s.Dropped + other.Dropped,
		Rejected: s.Rejected + other.Rejected,
		Failed:   s.Failed + other.Failed,
		Requeued: s.Requeued + other.Requeued,
		Released: s.Released + other.Released,
		InFlight: s.InFlight + other.InFlight,
		Waiting:  s.Waiting + other.Waiting,
	}
}
