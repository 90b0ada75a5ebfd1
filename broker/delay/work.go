package delay

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
)

// CheckWork says why messages that have waited would not get back to a work queue: it may
// be gone by then, or refuses them. It is for topologies with queues that make messages
// wait, whichever they are, and its caller puts its own name before the error.
func CheckWork(work broker.Queue) error { return errors.Join(checkStays(work), checkTakes(work)) }

// checkStays refuses a work queue that may be gone when what was delayed comes back.
func checkStays(work broker.Queue) error {
	var when, change string
	switch _, expires := work.AllArguments()["x-expires"]; {
	case work.AutoDelete:
		when, change = "with its last consumer", "AutoDelete"
	case work.Exclusive:
		when, change = "with its connection", "Exclusive"
	case expires:
		when, change = "when it is unused for a while", "Expires (x-expires)"
	default:
		return nil
	}
	return fmt.Errorf("the work queue %q goes %s, as while the worker is away for a deploy, and with it what it holds: "+
		"what then comes back is dropped, or held with all behind it, or in the lost queue of a ladder; "+
		"leave out %s: the queue has to stay", work.Name, when, change)
}

// checkTakes refuses a work queue that says no when it is full.
func checkTakes(work broker.Queue) error {
	args := work.AllArguments()
	overflow, _ := args.String("x-overflow")
	_, messages := args.Int64("x-max-length")
	_, bytes := args.Int64("x-max-length-bytes")
	if !strings.HasPrefix(overflow, string(broker.RejectPublish)) || !messages && !bytes {
		return nil
	}
	return fmt.Errorf("the work queue %q refuses messages when it is full (overflow %s), also those that come back: "+
		"a classic queue drops them then, and a quorum one holds them and soon everything behind them, in a ladder also what is for other queues; "+
		"let the work queue have no length, or no such overflow", work.Name, overflow)
}
