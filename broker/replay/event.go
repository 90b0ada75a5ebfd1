package replay

import "github.com/gowarren/warren/processor"

// Outcome is what became of a message.
type Outcome string

// The outcomes.
const (
	Moved  Outcome = "moved"
	Left   Outcome = "left"
	Failed Outcome = "failed"
)

// Event reports one message.
type Event struct {
	// Message is the message. It must not be kept.
	Message processor.Message
	// Outcome is what became of it; in a dry run, what would become of it.
	Outcome Outcome
	// To is where it went, or should have gone; zero for a message that was left.
	To processor.Destination
	// Err is why it stays. For one that was left it is [ErrNoOrigin], [ErrNotAllowed],
	// [ErrSameQueue] or an error of the route, and nil if the filter left it. For one that
	// failed it is an error of [processor.Publisher].
	Err error
	// Counts are those after this message.
	Counts Counts
}
