package delay

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
)

// Work is a work queue with its delays and its parked queue, for processors that make messages
// wait in the broker and park those that keep failing.
type Work struct {
	// Queue is the work queue.
	Queue broker.Queue
	// Waits are where messages wait until they return to it.
	Waits broker.Topology
	// Fragile waits dead-letter a message at most once; see [Fragile].
	Fragile bool
	// Parked is the queue for messages that keep failing, of the work queue's type unless it has
	// one. Without a name there is none.
	Parked broker.Queue
}

// Topology returns all of them, the work queue first. So that a quorum work queue drops no
// message at its delivery limit, it dead-letters to the parked queue, at least once, and
// has the limit [DeliveryLimit] unless it has one. Its limit is [broker.HighDeliveryLimit]
// if there is no parked queue, or if a TTL or a length of the work queue would send other messages
// there. A work queue with a dead-letter exchange is left as it is. The parked queue has the high
// limit: operators and tools may fetch its messages and give them back any number of times.
//
// It refuses a work queue to which waiting messages might not return: one that is deleted
// by itself, refuses messages when it is full, or is a quorum queue behind fragile
// waits. It also refuses one with a low delivery limit and no place for messages over it, and a
// [broker.Loop]. The caller puts its own name before the error.
func (w Work) Topology() (broker.Topology, error) {
	if err := errors.Join(checkStays(w.Queue), checkTakes(w.Queue), w.checkFragile()); err != nil {
		return broker.Topology{}, err
	}
	work, err := limited(w.Queue, w.Parked.Name)
	if err != nil {
		return broker.Topology{}, err
	}
	t := broker.Topology{Queues: []broker.Queue{work}}.Merge(w.Waits)
	if parked := w.Parked; parked.Name != "" {
		parked.Type = cmp.Or(parked.Type, work.DeclaredType())
		t = t.Merge(broker.Topology{Queues: []broker.Queue{kept(parked)}})
	}
	if err := errors.Join(t.Validate(), t.CheckLoops()); err != nil {
		return broker.Topology{}, err
	}
	return t, nil
}

// checkFragile refuses a quorum work queue behind classic queues: when a node starts, they
// dead-letter messages before it has a leader, and these are lost.
func (w Work) checkFragile() error {
	if !w.Fragile || w.Queue.DeclaredType() != broker.Quorum {
		return nil
	}
	return fmt.Errorf("the work queue %q is a quorum queue, and messages wait for it in classic queues: what falls due while a node restarts "+
		"is handed on before the work queue has a leader, and lost; use quorum delays, or a classic work queue", w.Queue.Name)
}

// checkStays refuses a work queue that may be gone when delayed messages return.
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

// checkTakes refuses a work queue that refuses messages when it is full.
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
