package remote

import (
	"encoding/json"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/codec"
)

// Server is a service's side of a protocol. Its methods may be called by many goroutines at once.
type Server interface {
	// DecodeRequest decodes the arguments in msg into the value that v points to. Its error is answered, and
	// the request is not retried; one without a type of its own is of [TypeMalformed].
	DecodeRequest(msg processor.Message, v any) error
	// EncodeResult returns the reply for a result. The layer reply adds the correlation id.
	EncodeResult(result any) (processor.Envelope, error)
	// EncodeError returns the reply for a failure. It must be able to send any that [ErrorOf] returns.
	EncodeError(failure *Error) processor.Envelope
}

// Client is a caller's side of a protocol. Its methods may be called by many goroutines at once.
type Client interface {
	// EncodeRequest returns the request for arguments. The client adds where the reply is wanted.
	EncodeRequest(args any) (processor.Envelope, error)
	// DecodeReply decodes the result in msg into the value that v points to. If the reply is a failure, it
	// returns an [Error].
	DecodeReply(msg processor.Message, v any) error
}

// Protocol is both sides.
type Protocol interface {
	Server
	Client
}

// Addressed is implemented by a protocol whose replies do not go to the queue that reply-to names.
type Addressed interface {
	// ReplyDestination returns where the reply to a request with that reply-to goes.
	ReplyDestination(replyTo string) processor.Destination
}

// HeaderError is the header of a reply that says that its body is an [Error] in JSON, whatever
// the codec of results. Its value is true.
const HeaderError = "warren-remote-error"

// JSON is the protocol whose requests and results are plain JSON.
var JSON = Plain(codec.JSON)

// Plain returns the protocol whose requests and results are bodies of c, with nothing around them. An error
// is an [Error] in JSON, marked by [HeaderError]. c must pass its Check; the layer reply and the client
// find out.
func Plain(c codec.Codec) Protocol { return plain{c} }

type plain struct{ codec codec.Codec }

// Check returns the codec's error.
func (p plain) Check() error { return p.codec.Check() }

func (p plain) encode(v any) (processor.Envelope, error) {
	body, err := p.codec.Encode(v)
	if err != nil {
		return processor.Envelope{}, err
	}
	return processor.Envelope{Body: body, Properties: processor.Properties{ContentType: p.codec.ContentType}}, nil
}

func (p plain) EncodeRequest(args any) (processor.Envelope, error)  { return p.encode(args) }
func (p plain) EncodeResult(result any) (processor.Envelope, error) { return p.encode(result) }

func (p plain) DecodeRequest(msg processor.Message, v any) error {
	return p.codec.Decode(msg.Body(), v)
}

func (plain) EncodeError(failure *Error) processor.Envelope {
	body, err := json.Marshal(failure)
	if err != nil { // ErrorOf has left out what does not encode
		body, _ = json.Marshal(Error{Type: failure.Type, Message: failure.Message}) //nolint:errchkjson // texts
	}
	return processor.Envelope{
		Body:       body,
		Headers:    processor.Headers{HeaderError: true},
		Properties: processor.Properties{ContentType: codec.JSON.ContentType},
	}
}

func (p plain) DecodeReply(msg processor.Message, v any) error {
	if failed, _ := msg.Headers()[HeaderError].(bool); failed {
		failure := new(Error)
		if err := json.Unmarshal(msg.Body(), failure); err != nil {
			return fmt.Errorf("remote: the service failed, and its error cannot be read: %w", err)
		}
		return failure
	}
	return p.codec.Decode(msg.Body(), v)
}
