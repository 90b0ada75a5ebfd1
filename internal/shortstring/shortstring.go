// Package shortstring knows what the protocol's short strings may hold: the names of queues,
// exchanges and consumers, and the keys of bindings. RabbitMQ, or the client, closes the whole
// connection over others. Two things may be no UTF-8: the routing key of a message, and what its
// properties and headers hold.
package shortstring

import (
	"fmt"
	"unicode/utf8"

	"github.com/gowarren/warren/processor"
)

// Problem says what is wrong with a name: "has 300 bytes, the limit is 255". It is "" if nothing is.
func Problem(name string) string {
	switch {
	case len(name) > processor.MaxName:
		return fmt.Sprintf("has %d bytes, the limit is %d", len(name), processor.MaxName)
	case !utf8.ValidString(name):
		return "is not UTF-8"
	}
	return ""
}
