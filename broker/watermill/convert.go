package watermill

import (
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
)

// NewMessage returns e as a Watermill message. Its id is the UUID. Text headers are metadata
// unchanged; others become text, and the entry _warren says what they and the properties were. The
// correlation id is the entry correlation_id, as in Watermill's middleware. The body is shared.
func NewMessage(e processor.Envelope) *message.Message { return newMessage(e) }

// EnvelopeOf is the inverse of [NewMessage]: headers have their types again. Changed metadata
// counts: a number that was changed is the new number, and one that is no longer a number is text.
// It takes every message; the body is shared.
func EnvelopeOf(msg *message.Message) processor.Envelope { return envelopeOf(msg) }
