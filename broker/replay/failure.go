package replay

import (
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// maxText is how many bytes of a header are returned. Warren's headers are shorter.
const maxText = 1024

// Failure is why and when a message was parked, by its headers. A field is zero if its header is
// absent or malformed.
type Failure struct {
	// Error is the text of the error, and Type its type, such as *smtp.Error. They are
	// short, and without control characters.
	Error, Type string
	// First is when the message failed for the first time, and At when it was parked.
	First, At time.Time
	// Failures is how often it failed.
	Failures int64
	// Host is the name of the machine that parked it, as short as Error.
	Host string
}

// FailureOf reads the headers of a retry, or another layer that parks: warren-error,
// warren-error-type, warren-first-failed-at, warren-failed-at, warren-failures and
// warren-host. Every publisher can write them as well.
func FailureOf(msg processor.Message) Failure {
	h := msg.Headers()
	first, _ := republish.Time(h, republish.HeaderFirstFailedAt)
	at, _ := republish.Time(h, republish.HeaderFailedAt)
	n, _ := h.Int64(republish.HeaderFailures)
	return Failure{
		Error: text(h, republish.HeaderError), Type: text(h, republish.HeaderErrorType),
		First: first, At: at, Failures: max(n, 0), Host: text(h, republish.HeaderHost),
	}
}

func text(h processor.Headers, name string) string {
	s, _ := h.String(name)
	return excerpt.Of(s, maxText)
}
