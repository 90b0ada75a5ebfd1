package queue

import (
	"time"

	"github.com/gowarren/warren/broker/memory/internal/message"
)

// Entry is a message's place in one queue.
type Entry struct {
	*message.Message

	// order is the place among the entries that were returned.
	order uint64
	// expires is when it is dead-lettered, once it is at the head; zero is never.
	expires time.Time
	// due is when the wait after its last failure is over, in a queue that delays retries.
	due time.Time
	// attempts counts the failed deliveries.
	attempts int64
	// returns counts how often it was delivered and requeued.
	returns int64
}

func (e *Entry) expired() bool {
	return !e.expires.IsZero() && !time.Now().Before(e.expires)
}
