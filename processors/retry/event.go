package retry

import "github.com/gowarren/warren/processor"

// Event describes a copy that was published.
type Event struct {
	// Message is the message that failed. It must not be kept.
	Message processor.Message
	// Err is why it failed. If a copy could not be sent to its place, or not with its headers, Err
	// says so and wraps the cause.
	Err error
	// Attempt is the number of this retry, from 1; for the parked copy, how many there
	// were.
	Attempt int
	// Retries is the limit.
	Retries int
	// Parked says that the copy went to the park key.
	Parked bool
	// To is where the copy went.
	To processor.Destination
}
