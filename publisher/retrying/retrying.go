package retrying

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// New returns a publisher that publishes through next, and again after an error that may pass. It
// is safe for concurrent use if next is. A panic of next passes through.
//
// The error is about wrong options, and about a next that is nil or cannot work
// ([processor.Check]).
func New(next processor.Publisher, opts ...Option) (processor.Publisher, error) {
	c := config{base: DefaultBase, limit: DefaultLimit, retries: processor.NoLimit}
	if err := option.Apply("retrying", &c, opts); err != nil {
		return nil, err
	}
	if err := errors.Join(option.Publisher("retrying: the publisher", next), c.check()); err != nil {
		return nil, err
	}
	if c.id == nil {
		c.id = rand.Text
	}
	return &publisher{c, next}, nil
}

type publisher struct {
	config
	next processor.Publisher
}

var (
	_ processor.Publisher      = (*publisher)(nil)
	_ processor.BatchPublisher = (*publisher)(nil)
)

// Unwrap is for [processor.Decorated].
func (p *publisher) Unwrap() processor.Publisher { return p.next }

// Publish publishes e until next has taken it, or retrying is of no use; see the package
// documentation. The caller's e is not changed: a missing id is set on a copy.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if e.ID == "" {
		id, err := p.newID()
		if err != nil {
			return err
		}
		e.ID = id
	}
	err := p.next.Publish(ctx, to, e)
	if err == nil {
		return nil
	}
	return p.insist(ctx, to, e, err)
}

// insist retries e, whose first try failed with err.
func (p *publisher) insist(ctx context.Context, to processor.Destination, e processor.Envelope, err error) error {
	var h history
	for {
		h.add(err)
		if again, problem := p.passes(err); !again {
			return h.end(ctx, problem)
		}
		switch {
		case ctx.Err() != nil:
			return h.interrupted(ctx)
		case p.retries != processor.NoLimit && h.tries > p.retries:
			return h.end(ctx, nil)
		}
		wait := p.wait(h.tries)
		if problem := p.tell(err, wait); problem != nil {
			return h.end(ctx, problem)
		}
		if !pacing.Sleep(ctx, wait) {
			return h.interrupted(ctx)
		}
		if err = p.next.Publish(ctx, to, e); err == nil {
			return nil
		}
	}
}

// passes reports whether err may pass.
func (p *publisher) passes(err error) (again bool, problem error) {
	switch {
	case lasts(err):
		return false, nil
	case callback.Is(err, processor.ErrIndeterminate), callback.Is(err, processor.ErrRefused):
		return true, nil
	case p.filter == nil:
		return false, nil
	}
	problem = callback.Call("the function given to If", func() { again = p.filter(err) })
	return again, problem
}

// lasts reports whether err is permanent. Its outcome may be unknown too, as when the publisher is
// closed before the answer.
func lasts(err error) bool {
	return callback.Is(err, processor.ErrClosed) || callback.Is(err, processor.ErrForbidden) ||
		callback.Is(err, processor.ErrTooLarge) || callback.Is(err, processor.ErrHeaderType)
}

func (p *publisher) tell(err error, wait time.Duration) error {
	if p.onError == nil {
		return nil
	}
	return callback.Call("the function given to OnError", func() { p.onError(err, wait) })
}

func (p *publisher) newID() (id string, problem error) {
	problem = callback.Call("the function given to ID", func() { id = p.id() })
	switch {
	case problem != nil:
		problem = fmt.Errorf("retrying: not published: %w", problem)
	case id == "":
		problem = errors.New("retrying: not published: the function given to ID returned nothing: its copies could not be told")
	}
	return id, problem
}
