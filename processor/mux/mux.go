package mux

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
)

// By says which handler a message is for. It may be called by many goroutines at once. A panic is
// a failure of the message.
type By func(msg processor.Message) string

// ByKey chooses by the routing key that the message was first published with: one that comes back from a
// retry has another. The key of a retried message is a header, which its sender can write.
func ByKey(msg processor.Message) string { return republish.Origin(msg).RoutingKey }

// ByType chooses by the property Type.
func ByType(msg processor.Message) string { return msg.Properties().Type }

// Option adds a handler.
type Option func(*config)

type config struct {
	handlers map[string]processor.Processor
	order    []string
	fallback processor.Processor
	problems []error
}

// On sets the handler of the messages for which By returns name.
func On(name string, handler processor.Processor) Option {
	return func(c *config) {
		if _, double := c.handlers[name]; double {
			c.problems = append(c.problems, fmt.Errorf("mux: %q has two handlers: leave one out", name))
			return
		}
		if err := stack.Check(handler); err != nil {
			c.problems = append(c.problems, fmt.Errorf("mux: the handler of %q: %w", name, err))
			return
		}
		c.handlers[name] = handler
		c.order = append(c.order, name)
	}
}

// Fallback sets the handler of all other messages. Default and nil: they are rejected with [ErrUnknown].
func Fallback(handler processor.Processor) Option {
	return func(c *config) {
		if handler == nil {
			return
		}
		if err := stack.Check(handler); err != nil {
			c.problems = append(c.problems, fmt.Errorf("mux: the fallback: %w", err))
			return
		}
		c.fallback = handler
	}
}

// ErrUnknown is wrapped by the error of a message for which there is no handler. Its caller in another process
// sees remote.TypeUnknownMethod.
var ErrUnknown = errors.New("no handler")

// New returns a handler that passes each message on to that of the handlers which by names. It is safe for
// concurrent use, and allocates nothing itself.
//
// The stack refuses a nil by, no handler at all, one that is nil, two for one name, and whatever it would refuse about
// one of the handlers alone.
func New(by By, opts ...Option) processor.Processor {
	c := config{handlers: map[string]processor.Processor{}}
	err := errors.Join(option.Apply("mux", &c, opts), errors.Join(c.problems...))
	switch {
	case by == nil:
		err = errors.Join(err, errors.New("mux: the function that chooses is nil: pass mux.ByKey, mux.ByType, or your own"))
	case err == nil && len(c.handlers) == 0 && c.fallback == nil:
		err = errors.New("mux: there is no handler: add mux.On or mux.Fallback")
	}
	return &mux{config: c, by: by, problem: err}
}

type mux struct {
	config
	by      By
	problem error
}

var (
	_ stack.Layer       = (*mux)(nil)
	_ stack.Brancher    = (*mux)(nil)
	_ processor.Checker = (*mux)(nil)
	_ stack.Describer   = (*mux)(nil)
)

// Name is "mux".
func (*mux) Name() string { return "mux" }

// Role is "".
func (*mux) Role() stack.Role { return "" }

// Check returns what is wrong with the options.
func (m *mux) Check() error { return m.problem }

// Settings are the names that have a handler.
func (m *mux) Settings() []stack.Setting {
	fallback := "reject"
	if m.fallback != nil {
		fallback = "a handler"
	}
	return []stack.Setting{
		{Name: "handlers", Value: strings.Join(m.order, ", ")},
		{Name: "fallback", Value: fallback},
	}
}

// Branches returns the handlers, each once, and the fallback last.
func (m *mux) Branches() []processor.Processor {
	var branches []processor.Processor
	for _, name := range m.order {
		branches = with(branches, m.handlers[name])
	}
	if m.fallback != nil {
		branches = with(branches, m.fallback)
	}
	return branches
}

// with appends p, unless it is there. A function, which cannot be compared, is there more than once.
func with(branches []processor.Processor, p processor.Processor) []processor.Processor {
	if reflect.ValueOf(p).Comparable() && slices.Contains(branches, p) {
		return branches
	}
	return append(branches, p)
}

// Process passes msg on.
func (m *mux) Process(ctx context.Context, msg processor.Message) error {
	if m.problem != nil {
		return processor.Requeue(m.problem)
	}
	var name string
	if err := callback.Call("mux: the function that chooses the handler", func() { name = m.by(msg) }); err != nil {
		return err
	}
	if handler, ok := m.handlers[name]; ok {
		return handler.Process(ctx, msg)
	}
	if m.fallback != nil {
		return m.fallback.Process(ctx, msg)
	}
	return processor.Reject(&unknownError{name, m.handlers})
}

// unknownError says that there is no handler, and which there are.
type unknownError struct {
	name     string
	handlers map[string]processor.Processor
}

// Bounds of the text of an unknownError: a sender chooses the name.
const (
	maxName  = 128
	maxNames = 20
)

func (e *unknownError) Error() string {
	names := slices.Sorted(maps.Keys(e.handlers))
	more := ""
	if len(names) > maxNames {
		names, more = names[:maxNames], fmt.Sprintf(" and %d more", len(names)-maxNames)
	}
	return fmt.Sprintf("mux: %v for %q; there are %q%s", ErrUnknown, excerpt.Of(e.name, maxName), names, more)
}

func (e *unknownError) Unwrap() error { return ErrUnknown }

// RemoteType is [remote.TypeUnknownMethod].
func (*unknownError) RemoteType() string { return remote.TypeUnknownMethod }
