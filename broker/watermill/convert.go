package watermill

import (
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
)

// NewMessage returns e as a message of Watermill's. Its id is the UUID. Headers that are text
// are metadata as they are; the others are there as text, and an entry of the name _warren
// says what they and the properties were. The correlation id is the entry correlation_id, as
// in Watermill's middleware. The body is shared.
func NewMessage(e processor.Envelope) *message.Message { return newMessage(e) }

// EnvelopeOf is the inverse of [NewMessage]: headers have their types again. Metadata that was
// changed on the way counts: a number that is another number now is that one, and what is no
// number any more is text. It takes every message; the body is shared.
func EnvelopeOf(msg *message.Message) processor.Envelope { return envelopeOf(msg) }
