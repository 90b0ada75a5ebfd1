package consumer

import (
	"context"

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
	processor.Message
	shift *shift
	life  *life
	ctx   context.Context //nolint:containedctx // from the worker's receive to its handle, no further
	left  []func()
}

// keepsOrder reports whether messages that go back together must keep their order.
func (r *run) keepsOrder() bool { return len(r.admission.layers) > 0 }

// receive takes the next message of the shift.
func (r *run) receive(s *shift) (delivery, error) {
	if !r.keepsOrder() {
		msg, err := s.sub.Receive(s.intake)
		if err != nil {
			return delivery{}, err
		}
		return r.deliver(s, msg), nil
	}
	select {
	case r.admission.turn <- struct{}{}:
	case <-s.intake.Done():
		return delivery{}, s.intake.Err()
	}
	defer func() { <-r.admission.turn }()
	msg, err := s.sub.Receive(s.intake)
	if err != nil {
		return delivery{}, err
	}
	if s.isOver() {
		// One before it may have been left to the subscription, which gives back both.
		return delivery{}, s.intake.Err()
	}
	return r.admit(s, msg), nil
}

func (r *run) deliver(s *shift, msg processor.Message) delivery {
	l := r.life(msg)
	return delivery{Message: msg, shift: s, life: l, ctx: l.hands}
}

// admit tells the layers that the message has come. One whose Admit ends the goroutine, as a
// user's function may, takes the worker along, and not the message.
func (r *run) admit(s *shift, msg processor.Message) delivery {
	d := r.deliver(s, msg)
	d.left = make([]func(), 0, len(r.admission.layers))
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
