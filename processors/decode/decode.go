package decode

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// The errors of rejected messages, except those of a corrupt body.
var (
	// ErrTooLarge: the decoded body is over the limit.
	ErrTooLarge = errors.New("the decoded body is too large")
	// ErrUnknown: the content encoding is unknown.
	ErrUnknown = errors.New("the content encoding is not known")
)

// New returns a middleware that decodes messages. It is safe for concurrent use. A message without
// a content encoding, or with a charset there, costs no allocation; decoding reuses its working
// memory, but never the decoded body.
//
// The stack refuses a nil option, a size out of range, and a missing name or function.
func New(opts ...Option) processor.Middleware {
	c := defaults()
	if err := option.Apply("decode", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &decode{config: c, next: next}
	}
}

type decode struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*decode)(nil)
	_ stack.Wrapper   = (*decode)(nil)
	_ stack.Predictor = (*decode)(nil)
	_ stack.Describer = (*decode)(nil)
)

// Name is "decode".
func (*decode) Name() string { return "decode" }

// Role is [stack.Decodes].
func (*decode) Role() stack.Role { return stack.Decodes }

// Unwrap returns the inner layers.
func (d *decode) Unwrap() processor.Processor { return d.next }

// Predict returns o unchanged.
func (*decode) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (d *decode) Settings() []stack.Setting {
	ignored := append([]string{"charsets"}, d.names(true)...)
	return []stack.Setting{
		{Name: "max size", Value: size(d.maxSize)},
		{Name: "decoders", Value: strings.Join(d.names(false), ", ")},
		{Name: "ignore", Value: strings.Join(ignored, ", ")},
	}
}

// size is in MiB if that is a whole number.
func size(bytes int) string {
	if bytes%(1<<20) == 0 {
		return strconv.Itoa(bytes>>20) + "MiB"
	}
	return strconv.Itoa(bytes) + " bytes"
}

// Process decodes msg and runs the inner layers, or rejects it.
func (d *decode) Process(ctx context.Context, msg processor.Message) error {
	encoding, header := msg.Properties().ContentEncoding, compressed(msg.Headers())
	switch {
	case header == "" && encoding == "":
		return d.next.Process(ctx, msg)
	case header != "": // it was applied last
		encoding += "," + header
	}
	todo, err := d.plan(encoding)
	if err != nil {
		return processor.Reject(err)
	}
	if todo.n == 0 {
		return d.next.Process(ctx, msg)
	}
	body, err := todo.run(msg.Body(), d.maxSize)
	if err != nil {
		return processor.Reject(err)
	}
	headers := msg.Headers()
	if header != "" {
		headers = headers.Clone()
		delete(headers, compression)
	}
	return d.next.Process(ctx, &decoded{msg, body, headers})
}

// decoded is a message with its decoded content.
type decoded struct {
	processor.Message
	body    []byte
	headers processor.Headers
}

// Body returns the decoded body.
func (d *decoded) Body() []byte { return d.body }

// Headers returns the message's headers without kombu's compression.
func (d *decoded) Headers() processor.Headers { return d.headers }

// Properties returns the message's properties without the encoding.
func (d *decoded) Properties() processor.Properties {
	p := d.Message.Properties()
	p.ContentEncoding = ""
	return p
}
