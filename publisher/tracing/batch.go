package tracing

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/tracecontext"
	"github.com/gowarren/warren/processor"
)

// PublishBatch publishes batch in one span, which is in the headers of each message. It is a child
// of the span of ctx; without one, it is linked to those that the headers name.
func (p *publisher) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	ctx, span := p.startBatch(ctx, to, batch)
	returned := false
	defer func() {
		if !returned {
			failPanic(span)
		}
		span.End()
	}()
	errs := p.publishBatch(ctx, to, batch)
	returned = true
	if err := errors.Join(errs...); err != nil && span.IsRecording() {
		fail(span, err)
	}
	return errs
}

// publishBatch publishes batch. Messages not sent because one is too large with our headers are
// sent without them, as in publish: that is the end of the batch, or all of it.
func (p *publisher) publishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	if _, ok := p.next.(processor.BatchPublisher); !ok {
		return processor.PublishBatch(ctx, processor.PublisherFunc(p.publish), to, batch)
	}
	traced := slices.Clone(batch)
	for i := range traced {
		traced[i].Headers = p.inject(ctx, traced[i].Headers)
	}
	errs := processor.PublishBatch(ctx, p.next, to, traced)
	first := slices.IndexFunc(errs, unsent)
	if first < 0 || !slices.ContainsFunc(errs[first:], tooLarge) || slices.ContainsFunc(errs[first:], func(err error) bool { return !unsent(err) }) {
		return errs
	}
	rest := processor.PublishBatch(ctx, p.next, to, batch[first:])
	if rest == nil {
		rest = make([]error, len(batch)-first)
	}
	errs = append(errs[:first:first], rest...)
	if errors.Join(errs...) == nil {
		return nil
	}
	return errs
}

func tooLarge(err error) bool { return callback.Is(err, processor.ErrTooLarge) }

// unsent reports whether a message was too large, or skipped because of one.
func unsent(err error) bool { return tooLarge(err) || callback.Is(err, processor.ErrSkipped) }

// startBatch starts the span of a batch.
func (p *publisher) startBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) (context.Context, trace.Span) {
	at := p.place(to)
	options := slices.Clone(at.options)
	if !trace.SpanContextFromContext(ctx).IsValid() {
		options = append(options, trace.WithLinks(p.links(ctx, batch)...))
	}
	ctx, span := p.tracer.Start(ctx, at.name, options...)
	if span.IsRecording() {
		span.SetAttributes(p.batchAttributes(to, len(batch))...)
	}
	return ctx, span
}

// maxLinks is how many links a span keeps, by the default of OpenTelemetry's SDKs.
const maxLinks = 128

// links are links to the spans that the headers name, each once.
func (p *publisher) links(ctx context.Context, batch []processor.Envelope) []trace.Link {
	var links []trace.Link
	for _, e := range batch {
		if len(links) == maxLinks {
			break
		}
		named := trace.SpanContextFromContext(p.propagator.Extract(ctx, tracecontext.Carrier(e.Headers)))
		if named.IsValid() && !slices.ContainsFunc(links, func(l trace.Link) bool { return l.SpanContext.Equal(named) }) {
			links = append(links, trace.Link{SpanContext: named})
		}
	}
	return links
}
