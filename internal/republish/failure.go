package republish

import (
	"math"
	"os"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// The headers that say why a message was given up. They are only on the parked copy, flat
// and small, so that libraries in other languages can read them.
const (
	HeaderError     = "warren-error"
	HeaderErrorType = "warren-error-type"
	HeaderFailedAt  = "warren-failed-at"
	HeaderFailures  = "warren-failures"
	HeaderHost      = "warren-host"
	HeaderStack     = "warren-stack"
)

// FinalHeaders are the headers that only the parked copy has.
var FinalHeaders = []string{HeaderError, HeaderErrorType, HeaderFailedAt, HeaderFailures, HeaderHost, HeaderStack}

// The most bytes of a header, and the highest count.
const (
	maxError     = 512
	maxErrorType = 128
	maxHost      = 128
	maxStack     = 4096
	maxFailures  = math.MaxInt32 // some clients cannot pass on more
)

// Failure is why a message was given up.
type Failure struct {
	Err error
	At  time.Time
	// Count is how often the message has failed, this time included, by the processor's
	// count: a header is a sender's claim, and the processor has its own limit.
	Count int64
	// First is when it failed first, if the processor knows of a failure before At that
	// left no copy.
	First time.Time
	// Stack adds the stack of a panic.
	Stack bool
}

// Park is the parked copy of msg.
func Park(msg processor.Message, f Failure) processor.Envelope {
	first := f.At
	if !f.First.IsZero() && f.First.Before(f.At) {
		first = f.First
	}
	e := Again(msg, first)
	setFailure(e.Headers, f)
	return e
}

// setFailure overwrites the headers that the message came with.
func setFailure(h processor.Headers, f Failure) {
	h[HeaderError], h[HeaderErrorType] = Describe(f.Err)
	h[HeaderFailedAt] = onWire(f.At)
	h[HeaderFailures] = min(max(f.Count, 1), maxFailures)
	h[HeaderHost] = host()
	delete(h, HeaderStack)
	if !f.Stack {
		return
	}
	if s := stackTrace(f.Err); s != "" {
		h[HeaderStack] = s
	}
}

// Describe returns err's text and type, each cut to a bounded size.
func Describe(err error) (text, kind string) {
	return excerpt.Error(err, maxError), excerpt.Of(errorType(err), maxErrorType)
}

// host is this machine's name, "" if it has none.
var host = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return excerpt.Of(name, maxHost)
})
