// Package identity gives each published message an id, a time and the name of its application, which a
// plain publish does not have.
//
//	p, err := identity.New(b.Publisher(), identity.AppID("billing"))
package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/lineage"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// HeaderReferences holds the ids of the messages that a message follows, oldest first, one a line, at most 4
// KiB. It is the one that Python's gocept.amqprun writes.
const HeaderReferences = lineage.HeaderReferences

// Option changes what is set.
type Option func(*config)

type config struct {
	appID string
	id    func(processor.Envelope) string
}

// AppID sets the name of the application, at most 255 bytes. Default: none.
func AppID(name string) Option { return func(c *config) { c.appID = name } }

// ID sets how an id is made. f may be called by many goroutines at once. If it panics or returns "", nothing is published
// and the error says so. Default and nil: a random one in the form of an email's, <26 characters@host name>.
func ID(f func(processor.Envelope) string) Option { return func(c *config) { c.id = f } }

// New returns a publisher that sets the id, the timestamp (now, in whole seconds) and the app id of each message
// before it publishes through p. What a message has already stays. It returns an error if p is nil or cannot
// work ([processor.Check]), or if the name is too long.
func New(p processor.Publisher, opts ...Option) (processor.Publisher, error) {
	var c config
	if err := option.Apply("identity", &c, opts); err != nil {
		return nil, err
	}
	if err := option.Publisher("identity: the publisher", p); err != nil {
		return nil, err
	}
	if len(c.appID) > processor.MaxName {
		return nil, fmt.Errorf("identity: the app id has %d bytes: %d are allowed", len(c.appID), processor.MaxName)
	}
	return &publisher{c, p}, nil
}

// Follow marks e as a message that follows msg: its correlation id is the id of msg, and its references are those of
// msg and that id. What e has already stays. It does nothing if msg has no id.
func Follow(e *processor.Envelope, msg processor.Message) { lineage.Follow(e, msg) }

type publisher struct {
	config
	next processor.Publisher
}

var _ processor.BatchPublisher = (*publisher)(nil)

// Unwrap returns the publisher inside.
func (p *publisher) Unwrap() processor.Publisher { return p.next }

// Publish publishes e with what it lacks.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	named, err := p.named(e)
	if err != nil {
		return err
	}
	return p.next.Publish(ctx, to, named)
}

// PublishBatch publishes a batch with what each message lacks. If one cannot get an id, none is published.
func (p *publisher) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	named := make([]processor.Envelope, len(batch))
	for i, e := range batch {
		var err error
		if named[i], err = p.named(e); err != nil {
			errs := slices.Repeat([]error{processor.ErrSkipped}, len(batch))
			errs[i] = err
			return errs
		}
	}
	return processor.PublishBatch(ctx, p.next, to, named)
}

func (p *publisher) named(e processor.Envelope) (processor.Envelope, error) {
	if e.ID == "" {
		var err error
		if e.ID, err = p.newID(e); err != nil {
			return e, err
		}
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now().Truncate(time.Second)
	}
	if e.AppID == "" {
		e.AppID = p.appID
	}
	return e, nil
}

func (p *publisher) newID(e processor.Envelope) (id string, problem error) {
	if p.id == nil {
		return lineage.RandomID(), nil
	}
	problem = callback.Call("the function given to ID", func() { id = p.id(e) })
	switch {
	case problem != nil:
		problem = fmt.Errorf("identity: not published: %w", problem)
	case id == "":
		problem = errors.New("identity: not published: the function given to ID returned nothing")
	}
	return id, problem
}
