package watermill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// errReturned is the error of a message that a stack requeued without one.
var errReturned = errors.New("watermill: the stack gave the message back")

// router runs stacks for routers.
type router struct {
	config
	stop sync.Once
}

func newRouter(dead DeadLetter, opts []Option) (*router, error) {
	c, err := newConfig(dead, opts)
	return &router{config: c}, err
}

// handle runs p, and returns the messages for the router to publish, and an error unless it may
// ack.
func (r *router) handle(p processor.Processor, msg *message.Message) ([]*message.Message, error) {
	c, d := begin(msg)
	err := p.Process(context.WithValue(msg.Context(), callKey{}, c), d)
	decision := processor.Decide(err)
	if decision.Stop {
		r.wantsToStop(decision.Action, d, err)
	}
	switch how := c.settled.Swap(over); {
	case how == rejected, how == unsettled && decision.Action == processor.Rejected:
		return nil, r.reject(d, err)
	case how == acked, how == unsettled && (decision.Action == processor.Done || decision.Action == processor.Dropped):
		r.told(decision.Action, d, err)
		return c.produced, nil
	case err == nil:
		return nil, errReturned
	}
	return nil, err
}

func (r *router) reject(d *delivery, err error) error {
	if err == nil {
		err = ErrRejected
	}
	return r.dead.take(d.call.msg, d.Origin().Queue, err)
}

// told logs why a message that is acked has failed, since the router gets no error.
func (r *router) told(action processor.Action, d *delivery, err error) {
	level := slog.LevelError
	switch action {
	case processor.Done:
		return
	case processor.Dropped:
		level = slog.LevelInfo
	}
	logattr.Or(r.log).LogAttrs(d.call.msg.Context(), level, "message "+action.String()+", and acked", logattr.Of(d, err)...)
}

// wantsToStop passes on a stop with the error that a consumer would return.
func (r *router) wantsToStop(action processor.Action, d *delivery, err error) {
	if r.onStop == nil {
		logattr.Or(r.log).LogAttrs(d.call.msg.Context(), slog.LevelWarn,
			"a processor wants to stop, and a stack cannot stop its router: pass OnStop", logattr.Of(d, err)...)
		return
	}
	if action == processor.Done || action == processor.Released {
		err = nil
	}
	r.stop.Do(func() { go r.tellOfStop(err) })
}

// tellOfStop calls [OnStop].
func (r *router) tellOfStop(err error) {
	if problem := callback.Call("watermill: the function given to OnStop", func() { r.onStop(err) }); problem != nil {
		logattr.Or(r.log).Error("the wish to stop was not told", logattr.Err(problem))
	}
}

// checkLayers refuses layers for which unfit has a reason.
func checkLayers(p processor.Processor, unfit func(stack.Role, processor.Processor) string) error {
	layers := stack.Layers(p)
	errs := make([]error, len(layers))
	for i, layer := range layers {
		var role stack.Role
		if l, ok := layer.(stack.Layer); ok {
			role = l.Role()
		}
		if why := unfit(role, layer); why != "" {
			errs[i] = fmt.Errorf("watermill: the layer %s %s; or run the stack with a consumer, on NewSource", name(layer), why)
		}
	}
	return errors.Join(errs...)
}

// unfit says why layer cannot work in a router at all, "" if it can.
func unfit(_ stack.Role, layer processor.Processor) string {
	if _, ok := layer.(stack.Idler); ok {
		return "does something while nothing is waiting, which a router does not tell: leave it out"
	}
	return ""
}

// unfitAround says why layer cannot work in a router around a handler that may produce messages, and
// that nobody starts and stops.
func unfitAround(role stack.Role, layer processor.Processor) string {
	if role == stack.Marks || role == stack.Transacts {
		return "has taken the message for processed before the router publishes what the handler produced: if that fails, " +
			"the message comes again, is skipped, and its output is lost. Give Handler a pipeline, for a handler that produces nothing"
	}
	if _, ok := layer.(stack.Stopper); ok {
		return "has to be started and stopped, and a router does neither for a middleware: give Handler a pipeline that you start and stop yourself"
	}
	return unfit(role, layer)
}

func name(layer processor.Processor) string {
	if l, ok := layer.(stack.Layer); ok {
		return l.Name()
	}
	return fmt.Sprintf("%T", layer)
}
