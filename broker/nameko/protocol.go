package nameko

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
)

// Protocol is nameko's RPC, for both sides.
var Protocol remote.Protocol = protocol{}

// Arguments are those of a method, as they are.
type Arguments struct {
	Args   []json.RawMessage          `json:"args"`
	Kwargs map[string]json.RawMessage `json:"kwargs"`
}

// Args are arguments to send, where a struct, a slice or a single value does not say what is wanted.
type Args struct {
	Args   []any          `json:"args"`
	Kwargs map[string]any `json:"kwargs"`
}

// TypeSignature is the type of the error about arguments that a method does not take.
const TypeSignature = "IncorrectSignature"

type protocol struct{}

var _ remote.Addressed = protocol{}

// ReplyDestination: a reply-to is a key of nameko's exchange, and not a queue.
func (protocol) ReplyDestination(replyTo string) processor.Destination {
	return processor.Destination{Exchange: Exchange.Name, RoutingKey: replyTo}
}

func properties() processor.Properties {
	return processor.Properties{ContentType: "application/json", ContentEncoding: "utf-8"}
}

// EncodeRequest has at least one header: nameko-amqp-retry cannot delay a request without.
func (protocol) EncodeRequest(args any) (processor.Envelope, error) {
	call, err := arguments(args)
	if err != nil {
		return processor.Envelope{}, err
	}
	body, err := json.Marshal(call)
	return processor.Envelope{
		Body: body, Properties: properties(),
		Headers: processor.Headers{HeaderCalls: []any{"warren." + rand.Text()}},
	}, err
}

// DecodeRequest accepts any content type: Python's own service would stop at one that it does not know.
func (protocol) DecodeRequest(msg processor.Message, v any) error {
	var call struct {
		Args   *[]json.RawMessage          `json:"args"`
		Kwargs *map[string]json.RawMessage `json:"kwargs"`
	}
	if err := json.Unmarshal(msg.Body(), &call); err != nil {
		return &remote.Error{Type: remote.TypeMalformed, Message: "the body is no JSON object: " + err.Error()}
	}
	if call.Args == nil || call.Kwargs == nil {
		return &remote.Error{Type: remote.TypeMalformed, Message: "Message missing `args` or `kwargs`"}
	}
	return decode(Arguments{*call.Args, *call.Kwargs}, v)
}

// result is the body of a reply.
type result struct {
	Result any      `json:"result"`
	Error  *failure `json:"error"`
}

type failure struct {
	Type  string `json:"exc_type"` //nolint:tagliatelle // nameko
	Path  string `json:"exc_path"` //nolint:tagliatelle // nameko
	Args  []any  `json:"exc_args"` //nolint:tagliatelle // nameko
	Value string `json:"value"`
}

func (protocol) EncodeResult(v any) (processor.Envelope, error) {
	body, err := json.Marshal(result{Result: v})
	return processor.Envelope{Body: body, Properties: properties()}, err
}

func (protocol) EncodeError(e *remote.Error) processor.Envelope {
	kind := cmp.Or(toPython[e.Type], e.Type)
	f := &failure{
		Type: kind, Path: cmp.Or(paths[kind], "warren."+kind),
		Args: []any{e.Message}, Value: e.Message,
	}
	body, _ := json.Marshal(result{Error: f}) //nolint:errchkjson // texts encode
	return processor.Envelope{Body: body, Properties: properties()}
}

// toPython are the names of Warren's own errors that differ in nameko.
var toPython = map[string]string{remote.TypeUnserializable: "UnserializableValueError"}

// paths are where Python finds the class of an error; of another it makes a RemoteError.
var paths = map[string]string{
	remote.TypeMalformed:       "nameko.exceptions.MalformedRequest",
	remote.TypeUnknownMethod:   "nameko.exceptions.MethodNotFound",
	TypeSignature:              "nameko.exceptions.IncorrectSignature",
	"UnserializableValueError": "nameko.exceptions.UnserializableValueError",
	remote.TypeExpired:         "nameko_amqp_retry.backoff.Expired",
}

// DecodeReply returns an error that Python has raised as a [remote.Error], with exc_path and exc_args as details.
func (protocol) DecodeReply(msg processor.Message, v any) error {
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Type  string `json:"exc_type"` //nolint:tagliatelle // nameko
			Path  string `json:"exc_path"` //nolint:tagliatelle // nameko
			Args  []any  `json:"exc_args"` //nolint:tagliatelle // nameko
			Value any    `json:"value"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Body(), &reply); err != nil {
		return fmt.Errorf("nameko: the reply is no JSON: %w", err)
	}
	switch {
	case reply.Error != nil:
		e := &remote.Error{Type: reply.Error.Type, Message: text(reply.Error.Value)}
		if reply.Error.Path != "" || len(reply.Error.Args) > 0 {
			e.Details = map[string]any{"exc_path": reply.Error.Path, "exc_args": reply.Error.Args}
		}
		return e
	case reply.Result == nil:
		return errors.New("nameko: the reply has neither a result nor an error")
	}
	if err := json.Unmarshal(reply.Result, v); err != nil {
		return fmt.Errorf("nameko: the result does not decode: %w", err)
	}
	return nil
}

// text is a value that should be one.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
