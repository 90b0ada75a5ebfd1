package consumer

import (
	"errors"

	"github.com/gowarren/warren/internal/callback"
)

// next returns the next message to process. A worker that finishes a message takes its successor here itself, so the
// workers blocked in Receive miss none. Once the run has ended, or the channel is lost, no message with a key begins,
// not even one just received: an earlier one may have been requeued.
func (r *run) next() (delivery, error) {
	if r.options.key == nil {
		return r.receive()
	}
	for {
		d, ok := r.lines.Take()
		if !ok {
			var err error
			if d, err = r.receiveInTurn(); err != nil {
				return d, err
			}
		}
		if d.key == "" || r.intake.Err() == nil && !d.Lost() {
			return d, nil
		}
		r.release(d)
		r.lines.Leave(d.key)
	}
}

// receiveInTurn receives until a message need not wait for an earlier one with its key. Workers take turns, so that
// messages queue up in the order of the source.
func (r *run) receiveInTurn() (delivery, error) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	for {
		d, err := r.receive()
		if err != nil {
			return d, err
		}
		if r.makeKey(&d); r.lines.Enter(d.key, d) {
			return d, nil
		}
	}
}

// receive takes a message from the source.
func (r *run) receive() (delivery, error) {
	if err := r.intake.Err(); err != nil {
		return delivery{}, err
	}
	msg, err := r.sub.Receive(r.intake)
	if err == nil {
		r.stats.received.Add(1)
	}
	return delivery{Delivery: msg}, err
}

// makeKey computes the message's key. If the function panics or ends the goroutine, the message has failed: it is
// requeued, which counts as an attempt.
func (r *run) makeKey(d *delivery) {
	returned := false
	defer func() {
		if !returned { // runtime.Goexit: another worker takes the message, and goes on
			next := delivery{Delivery: d.Delivery, problem: errors.New("consumer: the key function called runtime.Goexit")}
			r.workers.Go(func() { r.handle(next); r.work() })
		}
	}()
	d.problem = callback.Call("consumer: the key function", func() { d.key = r.options.key(d.Delivery) })
	returned = true
}
