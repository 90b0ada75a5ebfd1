// Package typed publishes values. It is the other end of [processor.Typed]:
//
//	mails, err := typed.New[Mail](b.Publisher(), codec.JSON)
//	err = mails.Publish(ctx, processor.Destination{RoutingKey: "mail"}, Mail{To: "ada@example.org"})
package typed

import (
	"context"
	"fmt"
	"reflect"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/codec"
)

// Publisher publishes values of type T. It may be used by many goroutines at once.
type Publisher[T any] struct {
	publisher processor.Publisher
	codec     codec.Codec
}

// New returns a publisher that encodes with c and publishes through p. It returns an error if p is
// nil or cannot work ([processor.Check]), or if c lacks a function.
func New[T any](p processor.Publisher, c codec.Codec) (*Publisher[T], error) {
	if err := option.Publisher("typed: the publisher", p); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("typed: %w", err)
	}
	return &Publisher[T]{p, c}, nil
}

// Publish encodes v, sets the content type, and publishes the message. edit changes the message
// before it is sent: its id, headers and other properties. A value that does not encode is an
// error, and nothing is sent; the other errors are those of [processor.Publisher].
func (p *Publisher[T]) Publish(ctx context.Context, to processor.Destination, v T, edit ...func(*processor.Envelope)) error {
	e, err := p.envelope(v, edit)
	if err != nil {
		return err
	}
	return p.publisher.Publish(ctx, to, e)
}

// PublishBatch is [Publisher.Publish] for several values, which wait for the broker together; see
// [processor.PublishBatch]. If one does not encode, its error says so, nothing is sent, and the others
// have [processor.ErrSkipped].
func (p *Publisher[T]) PublishBatch(ctx context.Context, to processor.Destination, values []T, edit ...func(*processor.Envelope)) []error {
	batch := make([]processor.Envelope, len(values))
	errs, failed := make([]error, len(values)), false
	for i, v := range values {
		if batch[i], errs[i] = p.envelope(v, edit); errs[i] != nil {
			failed = true
		}
	}
	if !failed {
		return processor.PublishBatch(ctx, p.publisher, to, batch)
	}
	for i := range errs {
		if errs[i] == nil {
			errs[i] = processor.ErrSkipped
		}
	}
	return errs
}

func (p *Publisher[T]) envelope(v T, edit []func(*processor.Envelope)) (processor.Envelope, error) {
	body, err := p.codec.Encode(v)
	if err != nil {
		return processor.Envelope{}, fmt.Errorf("typed: encode %s: %w", reflect.TypeFor[T](), err)
	}
	e := processor.Envelope{Body: body, Properties: processor.Properties{ContentType: p.codec.ContentType}}
	for _, change := range edit {
		change(&e)
	}
	return e, nil
}
