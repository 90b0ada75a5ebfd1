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

// Event tells of one message.
type Event struct {
	// Message is the message. It must not be kept.
	Message processor.Message
	// Outcome is what became of it; in a dry run, what would.
	Outcome Outcome
	// To is where it went, or should have gone; zero for a message that was left.
	To processor.Destination
	// Err is why it stays: [ErrNoOrigin], [ErrNotAllowed], [ErrSameQueue] or an error of
	// the route for one that was left, and of [processor.Publisher] for one that failed.
	// It is nil if the filter left it.
	Err error
	// Counts are those after this message.
	Counts Counts
}
