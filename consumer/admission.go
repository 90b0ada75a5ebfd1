package consumer

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// admission tells the layers that ask for it in which order messages came. Workers then
// take turns at receiving.
type admission struct {
	layers []processor.Admitter
	turn   chan struct{} // has room for the one whose turn it is
}

func newAdmission(p processor.Processor) admission {
	return admission{layers: processor.Admitters(p), turn: make(chan struct{}, 1)}
}

// delivery is a message with what its admission has made of it.
type delivery struct {
	processor.Message
	ctx  context.Context //nolint:containedctx // from the worker's receive to its handle, no further
	left []func()
}

// receive takes the next message of the shift.
func (r *run) receive(s *shift) (delivery, error) {
	if len(r.admission.layers) == 0 {
		msg, err := s.sub.Receive(r.intake)
		return delivery{Message: msg, ctx: r.hands}, err
	}
	select {
	case r.admission.turn <- struct{}{}:
	case <-r.intake.Done():
		return delivery{}, r.intake.Err()
	}
	defer func() { <-r.admission.turn }()
	msg, err := s.sub.Receive(r.intake)
	if err != nil {
		return delivery{}, err
	}
	return r.admission.admit(r.hands, msg), nil
}

func (a admission) admit(ctx context.Context, msg processor.Message) delivery {
	d := delivery{Message: msg, ctx: ctx, left: make([]func(), len(a.layers))}
	for i, layer := range a.layers {
		d.ctx, d.left[i] = layer.Admit(d.ctx, msg) //nolint:fatcontext // one context through all layers
	}
	return d
}

// leave tells the layers that the message has left the pipeline.
func (d delivery) leave() {
	for _, left := range d.left {
		left()
	}
}
