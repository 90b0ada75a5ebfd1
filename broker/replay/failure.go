package replay

import (
	"slices"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// maxText is the most of a header that is handed out, in bytes. Ours are shorter.
const maxText = 1024

// Failure is why and when a message was parked, as its headers say.
type Failure struct {
	// Error is the text of the error, and Type its type, such as *smtp.Error. They are
	// short, without control characters, and "" if the header is missing.
	Error, Type string
	// At is when it was parked; zero if the header is missing.
	At time.Time
}

// FailureOf reads the headers warren-error, warren-error-type and warren-failed-at.
func FailureOf(msg processor.Message) Failure {
	h := msg.Headers()
	text, _ := h.String(republish.HeaderError)
	kind, _ := h.String(republish.HeaderErrorType)
	at, _ := h.Time(republish.HeaderFailedAt)
	return Failure{Error: excerpt.Of(text, maxText), Type: excerpt.Of(kind, maxText), At: at}
}

// envelope is a copy of msg as it goes back.
func envelope(msg processor.Message, keepAttempts bool) processor.Envelope {
	e := republish.Envelope(msg)
	for _, name := range republish.FinalHeaders {
		delete(e.Headers, name)
	}
	if !keepAttempts {
		// Only a failure with a count of 0 writes the origin, so both go or stay.
		for _, name := range slices.Concat(republish.OriginHeaders, republish.CountHeaders) {
			delete(e.Headers, name)
		}
	}
	return e
}
