package processortest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/gowarren/warren/processor"
)

// Publishing is one message that was published.
type Publishing struct {
	To       processor.Destination
	Envelope processor.Envelope
}

// Publisher is a fake publisher that records its messages. The zero value accepts
// everything. It is safe for many goroutines.
type Publisher struct {
	mu        sync.Mutex
	failure   error
	published []Publishing
}

var _ processor.Publisher = (*Publisher)(nil)

// FailWith makes every later Publish return err; nil lets them succeed again.
func (p *Publisher) FailWith(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = err
}

// Publish records the message, or fails. It also fails when ctx has ended. The recorded
// message has copies of the body and the header map, as a stored one has; tables
// and arrays nested in the headers are shared.
func (p *Publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.failure != nil {
		return p.failure
	}
	e.Body, e.Headers = bytes.Clone(e.Body), maps.Clone(e.Headers)
	p.published = append(p.published, Publishing{To: to, Envelope: e})
	return nil
}

// Published returns what was published, in order.
func (p *Publisher) Published() []Publishing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.published)
}
