// Package codec turns values into bodies and back. A codec belongs to both ends of a queue: what
// a handler decodes with [processor.Typed], the sender encodes with publisher/typed.
package codec

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
)

// Codec is one encoding. Its functions may be called by many goroutines at once.
type Codec struct {
	// ContentType is written on each message, such as application/json. "" writes none.
	ContentType string
	// Encode returns the body for a value. It must not keep or change the body after it returns.
	Encode func(v any) ([]byte, error)
	// Decode turns a body into the value that v points to.
	Decode processor.Decoder
}

// JSON is the codec of encoding/json.
var JSON = Codec{ContentType: "application/json", Encode: json.Marshal, Decode: json.Unmarshal}

// Check returns an error if a function is missing or the content type is too long for a message.
func (c Codec) Check() error {
	switch {
	case c.Encode == nil || c.Decode == nil:
		return errors.New("codec: Encode or Decode is nil: set both, or use codec.JSON")
	case len(c.ContentType) > processor.MaxName:
		return fmt.Errorf("codec: the content type has %d bytes: %d are allowed", len(c.ContentType), processor.MaxName)
	}
	return nil
}
