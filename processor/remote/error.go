package remote

import (
	"encoding/json"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
)

// The types of errors that Warren itself answers with.
const (
	// TypeInternal is any error that says nothing else about itself.
	TypeInternal = "Internal"
	// TypePanic is a handler that panicked.
	TypePanic = "Panic"
	// TypeExpired is a request whose retries are used up.
	TypeExpired = "Expired"
	// TypeProcessed is a request that was processed before, and is not again.
	TypeProcessed = "ProcessedBefore"
	// TypeMalformed is a request that cannot be read.
	TypeMalformed = "MalformedRequest"
	// TypeUnknownMethod is a request for which the service has no handler.
	TypeUnknownMethod = "MethodNotFound"
	// TypeUnserializable is a result, or an error's details, that cannot be sent.
	TypeUnserializable = "UnserializableValue"
)

// The most bytes of an error that are sent. Its caller may be anybody.
const (
	MaxType    = 128
	MaxMessage = 4 << 10
	MaxDetails = 16 << 10
)

// Error is a failure as its caller sees it. A handler may return one, also wrapped; a client returns
// one for each error reply, and errors.As finds it.
type Error struct {
	// Type says what kind of failure it is, for programs, such as "NoSuchAccount".
	Type string `json:"type"`
	// Message says what has failed, for people.
	Message string `json:"message"`
	// Details are further values of the application's; nil is none. They have to encode as JSON.
	Details map[string]any `json:"details,omitempty"`
}

// Error returns the type and the message.
func (e *Error) Error() string {
	switch {
	case e == nil:
		return "remote: no error"
	case e.Message == "":
		return e.Type
	case e.Type == "":
		return e.Message
	}
	return e.Type + ": " + e.Message
}

// RemoteType returns the type.
func (e *Error) RemoteType() string { return e.Type }

// Typer is implemented by errors that say which type their caller sees.
type Typer interface {
	error
	// RemoteType is the [Error.Type].
	RemoteType() string
}

var _ Typer = (*Error)(nil)

// ErrorOf returns what a caller sees of err: the outermost [Error] in its chain, or, if a [Typer] is further
// out, an error of that type with the text of err; without either, one of [TypeInternal]. All is bounded and
// valid UTF-8, and no stack trace is in it.
func ErrorOf(err error) *Error {
	found := &Error{Type: TypeInternal}
	// The methods of a handler's error may panic.
	_ = callback.Call("", func() {
		var typer Typer // the outermost: it knew most
		if !callback.As(err, &typer) {
			return
		}
		if own, ok := typer.(*Error); !ok { // found by As
			found = &Error{Type: typer.RemoteType()}
		} else if own != nil {
			found = own
		}
	})
	bounded := &Error{
		Type:    excerpt.Of(found.Type, MaxType),
		Message: excerpt.Of(found.Message, MaxMessage),
		Details: bound(found.Details),
	}
	if bounded.Type == "" {
		bounded.Type = TypeInternal
	}
	if found.Message == "" {
		bounded.Message = excerpt.Error(err, MaxMessage)
	}
	return bounded
}

// bound returns details, or a note if they are too large or do not encode.
func bound(details map[string]any) map[string]any {
	if len(details) == 0 {
		return nil
	}
	var encoded []byte
	err := callback.Call("", func() {
		var err error
		if encoded, err = json.Marshal(details); err != nil {
			panic(err)
		}
	})
	switch {
	case err != nil:
		return map[string]any{"omitted": "the details do not encode as JSON"}
	case len(encoded) > MaxDetails:
		return map[string]any{"omitted": "the details are too large"}
	}
	return details
}
