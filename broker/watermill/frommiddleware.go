package watermill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// FromMiddleware returns a Watermill middleware, such as Timeout, Throttle, CircuitBreaker or
// Recoverer, as one for a stack.
//
// It sees the body, the metadata that [NewPublisher] makes of headers and properties, and the
// context. The inner layers see its changes to these; an error leaves it as it went in. A body that
// it makes must be a slice of its own. A panic passes through it as through any layer. A message
// that it acks is acked, and one that it nacks is nacked with requeue, when it returns: InstantAck
// is no more instant than that.
//
// A stack cannot publish what a middleware produces: that is an error, though the inner layers have
// succeeded. Nor does a stack know what the middleware does, and so where it must not stand. One
// that turns errors into success, such as IgnoreErrors and PoisonQueue, belongs outside retry and
// backoff; Retry and Timeout belong inside.
//
// The stack refuses a nil middleware, and Watermill's Deduplicator: it marks a message before it is
// processed, so one that fails is skipped when it comes again, and lost. Use processors/dedup. Each
// message costs a map and a context value.
func FromMiddleware(m message.HandlerMiddleware) processor.Middleware {
	if m == nil {
		return stack.Invalid(errors.New("watermill: the middleware is nil: leave it out"))
	}
	name, full := functionName(m)
	if full == deduplicator {
		return stack.Invalid(errors.New("watermill: " + name + " marks a message before it is processed, so one that fails is skipped when it comes again, and lost: use processors/dedup"))
	}
	return func(next processor.Processor) processor.Processor {
		f := &foreign{next: next, name: name}
		if f.handle = m(f.inner); f.handle == nil {
			return stack.Invalid(fmt.Errorf("watermill: the middleware %s returned no handler", f.name))(next)
		}
		return f
	}
}

// foreign is a Watermill middleware as a layer.
type foreign struct {
	next   processor.Processor
	name   string
	handle message.HandlerFunc
}

var (
	_ stack.Layer   = (*foreign)(nil)
	_ stack.Wrapper = (*foreign)(nil)
)

// Name is such as "Watermill's Timeout".
func (f *foreign) Name() string { return f.name }

// Role is "": it is unknown.
func (*foreign) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (f *foreign) Unwrap() processor.Processor { return f.next }

// passage is one message on its way through a foreign middleware.
type passage struct {
	msg   processor.Message
	given *message.Message // before the middleware
}

// passageKey is the context key of a passage through one layer; a stack may have several.
type passageKey struct{ *foreign }

// Process runs the middleware, and the inner layers when it calls them.
func (f *foreign) Process(ctx context.Context, msg processor.Message) error {
	given := newMessage(processor.Envelope{Body: msg.Body(), Headers: msg.Headers(), Properties: msg.Properties()})
	seen := message.NewMessage(given.UUID, given.Payload)
	seen.Metadata = maps.Clone(given.Metadata)
	seen.SetContext(context.WithValue(ctx, passageKey{f}, &passage{msg, given}))
	defer follow(msg, seen, false, false)
	produced, err := f.handle(seen)
	if err == nil && len(produced) > 0 {
		return fmt.Errorf("watermill: %s produced messages, which nobody publishes here: %d; put it into a router instead", f.name, len(produced))
	}
	return err
}

// inner runs the inner layers with the message as the middleware has changed it.
func (f *foreign) inner(seen *message.Message) ([]*message.Message, error) {
	ctx := seen.Context()
	p, ok := ctx.Value(passageKey{f}).(*passage)
	if !ok {
		return nil, fmt.Errorf("watermill: the context does not come from the stack: %s has replaced it", f.name)
	}
	return nil, f.next.Process(ctx, p.decorated(seen))
}

// decorated returns the message as in seen: the message itself if nothing has changed.
func (p *passage) decorated(seen *message.Message) processor.Message {
	g := p.given
	sameMetadata := maps.Equal(seen.Metadata, g.Metadata)
	if sameMetadata && sameSlice(seen.Payload, g.Payload) && seen.UUID == g.UUID {
		return p.msg
	}
	d := &decorated{Message: p.msg, body: seen.Payload, headers: p.msg.Headers(), properties: p.msg.Properties()}
	d.properties.ID = seen.UUID
	if !sameMetadata {
		d.change(g.Metadata, seen.Metadata)
	}
	return d
}

// sameSlice reports whether a and b are the same bytes in the same place.
func sameSlice(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// decorated is a message as changed by a middleware.
type decorated struct {
	processor.Message
	body       []byte
	headers    processor.Headers
	properties processor.Properties
}

// Body returns the middleware's body.
func (d *decorated) Body() []byte { return d.body }

// Headers returns the message's headers with the middleware's changes.
func (d *decorated) Headers() processor.Headers { return d.headers }

// Properties returns the message's properties with the middleware's changes.
func (d *decorated) Properties() processor.Properties { return d.properties }

// change applies the difference between two metadata. A header keeps its type if the new text is of
// that type.
func (d *decorated) change(before, after message.Metadata) {
	d.properties.CorrelationID = after[correlationKey]
	d.headers = d.headers.Clone()
	for name := range before {
		if _, stays := after[name]; !stays && name != correlationKey {
			delete(d.headers, name)
		}
	}
	for name, text := range after {
		if old, was := before[name]; name == reservedKey || name == correlationKey || was && old == text {
			continue
		}
		kind, _, _ := encode(d.headers[name])
		d.headers[name] = typed(kind, text)
	}
}

// deduplicator is the full name of that method.
const deduplicator = "github.com/ThreeDotsLabs/watermill/message/router/middleware.(*Deduplicator).Middleware-fm"

// functionName is the name of the function that made f, such as Timeout, or its type if it is a
// method Middleware; full is its name with all of its package.
func functionName(f message.HandlerMiddleware) (name, full string) {
	found := runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	if found == nil {
		return "Watermill's middleware", ""
	}
	full = found.Name()
	short, _, _ := strings.Cut(full[strings.LastIndexByte(full, '/')+1:], ".func")
	parts := strings.Split(strings.TrimSuffix(short, "-fm"), ".")
	if last := len(parts) - 1; last > 1 && parts[last] == "Middleware" {
		parts = parts[:last]
	}
	return "Watermill's " + strings.Trim(parts[len(parts)-1], "(*)"), full
}
