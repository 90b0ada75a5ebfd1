package publish

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/gowarren/warren/processor"
)

// directReply asks the broker to send replies to the channel that publishes.
const directReply = "amq.rabbitmq.reply-to"

// checkReply refuses a routing key that stands for a channel that waits for a direct reply, and is
// malformed. RabbitMQ 3.10.8 and 4.0.5 close the whole connection over some of those (541), and a
// program that answers requests takes the key from a request.
func checkReply(to processor.Destination) error {
	name, direct := strings.CutPrefix(to.RoutingKey, directReply+".")
	if !direct || to.Exchange != "" {
		return nil
	}
	channel, _, _ := strings.Cut(name, ".")
	if term, err := base64.StdEncoding.DecodeString(channel); err != nil || !isPid(term) {
		return fmt.Errorf("%w: the reply address names no channel", processor.ErrUnroutable)
	}
	return nil
}

// isPid reports whether term is the pid of an Erlang process in its external format: a version, a
// tag, the name of the node with a length of one or two bytes, and numbers.
func isPid(term []byte) bool {
	if len(term) < 4 || term[0] != 131 {
		return false
	}
	numbers := 0
	switch term[1] {
	case 103: // PID_EXT
		numbers = 4 + 4 + 1
	case 88: // NEW_PID_EXT
		numbers = 4 + 4 + 4
	default:
		return false
	}
	node := 0
	switch term[2] {
	case 115, 119: // small atoms
		node = 1 + 1 + int(term[3])
	case 100, 118: // atoms
		if len(term) < 5 {
			return false
		}
		node = 1 + 2 + int(term[3])<<8 + int(term[4])
	default:
		return false
	}
	return len(term) == 2+node+numbers
}
