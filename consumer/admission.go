package consumer

import (
	"context"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// admission tells the layers that ask for it in which order messages came. Workers then
// take turns at receiving.
type admission struct {
	layers []stack.Admitter
	turn   chan struct{} // has room for the one whose turn it is
}

func newAdmission(p processor.Processor) admission {
	return admission{layers: stack.Admitters(p), turn: make(chan struct{}, 1)}
}

// delivery is a message with what its admission has made of it.
type delivery struct {
	*broker.Delivery
	ctx  context.Context //nolint:containedctx // from the worker's receive to its handle, no further
	left []func()
}

// keepsOrder reports whether messages that go back together must keep their order.
func (a admission) keepsOrder() bool { return len(a.layers) > 0 }

// receive takes the next message.
func (r *run) receive() (delivery, error) {
	if r.admission.keepsOrder() {
		select {
		case r.admission.turn <- struct{}{}:
			defer func() { <-r.admission.turn }()
		case <-r.intake.Done():
			return delivery{}, r.intake.Err()
		}
	}
	d, err := r.sub.Receive(r.intake)
	if err != nil {
		return delivery{}, err
	}
	return r.admit(d), nil
}

// admit tells the layers that the message has come. One whose Admit ends the goroutine, as a
// user's function may, takes the worker along, and not the message.
func (r *run) admit(msg *broker.Delivery) delivery {
	d := delivery{Delivery: msg, ctx: msg.Context()}
	admitted := false
	defer func() {
		if !admitted {
			r.exited(d)
			d.leave()
		}
	}()
	for _, layer := range r.admission.layers {
		ctx, left := layer.Admit(d.ctx, msg)
		d.ctx, d.left = ctx, append(d.left, left) //nolint:fatcontext // one context through all layers
	}
	admitted = true
	return d
}

// leave tells the layers that the message has left the pipeline.
func (d delivery) leave() {
	for _, left := range d.left {
		left()
	}
}
