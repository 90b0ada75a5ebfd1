package service

import (
	"time"

	"github.com/gowarren/warren/consumer"
)

// Phase is where a handler is in its life.
type Phase string

// The phases.
const (
	// Starting: its layers start, or it waits for its subscription.
	Starting Phase = "starting"
	// Consuming: the broker delivers to it. What runs beside has no other phase while it works.
	Consuming Phase = "consuming"
	// Draining: it takes no more messages, and finishes those in flight.
	Draining Phase = "draining"
	// Restarting: it has failed, and waits to be started again.
	Restarting Phase = "restarting"
	// Failed: it has failed for good.
	Failed Phase = "failed"
	// Stopped: it has ended regularly, or has not begun.
	Stopped Phase = "stopped"
)

// State is what is known of a handler.
type State struct {
	// Queue is its queue, or its name in [Beside].
	Queue string
	// Phase is where it is, and Since since when.
	Phase Phase
	Since time.Time
	// Err is why it failed the last time, nil if it never has.
	Err error
	// Restarts is how often it was started again.
	Restarts int
	// Stats are its messages, of all its runs.
	Stats consumer.Stats
}
