package republish

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// The headers of ours. They are flat and small, so that libraries in other languages
// can read them.
const (
	HeaderOriginalExchange = "warren-original-exchange"
	HeaderOriginalKey      = "warren-original-routing-key"
	HeaderError            = "warren-error"
	HeaderErrorType        = "warren-error-type"
	HeaderFailedAt         = "warren-failed-at"
)

// Most bytes of a header of ours.
const (
	maxError     = 512
	maxErrorType = 128
)

// SetOrigin records where msg was first published to. It is called at the first
// failure and overwrites what a sender may have claimed.
func SetOrigin(h processor.Headers, o processor.Origin) {
	h[HeaderOriginalExchange] = o.Exchange
	h[HeaderOriginalKey] = o.RoutingKey
}

// SetFailure records why and when a message was given up.
func SetFailure(h processor.Headers, err error, at time.Time) {
	h[HeaderError] = excerpt.Of(err.Error(), maxError)
	h[HeaderErrorType] = excerpt.Of(rootType(err), maxErrorType)
	h[HeaderFailedAt] = at.UTC().Truncate(time.Second)
}

// rootType is the type of the innermost error: the wrappers say little.
func rootType(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Sprintf("%T", err)
		}
		err = inner
	}
}
