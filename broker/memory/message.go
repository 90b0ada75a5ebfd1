package memory

import (
	"time"

	"github.com/gowarren/warren/processor"
)

// message never changes once it is published, so queues and deliveries share it.
type message struct {
	envelope processor.Envelope
	exchange string
	// keys are the routing key, then those of CC, then those of BCC.
	keys []string
	// shown is how many of keys consumers may see: all but those of BCC.
	shown int

	// dead: it has died before, and this broker has written x-death.
	dead bool
	// failures are those in the queue that it died in; see [carried].
	failures int64

	// round and hops count how often the message was dead-lettered within one call,
	// with no consumer and no time in between; see [Broker.forward].
	round uint64
	hops  int
}

// entry is a message's place in one queue.
type entry struct {
	message *message
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

func (e *entry) size() int { return len(e.message.envelope.Body) }

func (e *entry) expired() bool {
	return !e.expires.IsZero() && !time.Now().Before(e.expires)
}
