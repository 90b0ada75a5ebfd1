// Package argument reads the arguments that queues are declared with, as the broker would.
package argument

import (
	"time"

	"github.com/gowarren/warren/processor"
)

// LongestTime is the longest expiration or TTL that RabbitMQ accepts; a longer one closes the
// channel.
const LongestTime = 10 * 365 * 24 * time.Hour

// Integer reads an integer, and no text: the broker would refuse that.
func Integer(arguments processor.Headers, name string) (int64, bool) {
	if _, isText := arguments.String(name); isText {
		return 0, false
	}
	return arguments.Int64(name)
}

// Milliseconds reads a duration that the broker would accept.
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

// DeadLetters returns where a queue's dead letters go, and false if there is no target.
func DeadLetters(arguments processor.Headers) (Target, bool) {
	exchange, ok := arguments.String("x-dead-letter-exchange")
	if !ok {
		return Target{}, false
	}
	key, keyed := arguments.String("x-dead-letter-routing-key")
	return Target{Exchange: exchange, Key: key, Keyed: keyed}, true
}

// Queue is the queue to which the default exchange routes the dead letters, if it is known.
func (t Target) Queue() (string, bool) { return t.Key, t.Exchange == "" && t.Keyed }
