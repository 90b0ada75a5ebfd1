// Package argument reads the arguments that queues are declared with, as the broker would.
package argument

import (
	"time"

	"github.com/gowarren/warren/processor"
)

// LongestTime is the longest that RabbitMQ takes for an expiration or a TTL; one that
// is longer closes the channel.
const LongestTime = 10 * 365 * 24 * time.Hour

// Integer reads no text: the broker would refuse it.
func Integer(arguments processor.Headers, name string) (int64, bool) {
	if _, isText := arguments.String(name); isText {
		return 0, false
	}
	return arguments.Int64(name)
}

// Milliseconds reads a duration that the broker would take.
func Milliseconds(arguments processor.Headers, name string) (time.Duration, bool) {
	n, ok := Integer(arguments, name)
	if !ok || n < 0 || n > LongestTime.Milliseconds() {
		return 0, false
	}
	return time.Duration(n) * time.Millisecond, true
}

// Target is where dead letters go. They keep their key unless it is keyed.
type Target struct {
	Exchange, Key string
	Keyed         bool
}

// DeadLetters returns where a queue's dead letters go; false is nowhere.
func DeadLetters(arguments processor.Headers) (Target, bool) {
	exchange, ok := arguments.String("x-dead-letter-exchange")
	if !ok {
		return Target{}, false
	}
	key, keyed := arguments.String("x-dead-letter-routing-key")
	return Target{Exchange: exchange, Key: key, Keyed: keyed}, true
}

// Queue is the queue that the default exchange has for the dead letters, if it is known.
func (t Target) Queue() (string, bool) { return t.Key, t.Exchange == "" && t.Keyed }
