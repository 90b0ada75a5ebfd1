package publish

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	"github.com/gowarren/warren/processor"
)

// DirectReply asks the broker to send replies to the channel that publishes.
const DirectReply = "amq.rabbitmq.reply-to"

// checkReply refuses a routing key that stands for a channel that waits for a direct reply, and is
// malformed. RabbitMQ 3.10.8 and 4.0.5 close the whole connection over some of those (541), and a
// program that answers requests takes the key from a request. On 3.10.8 a well-formed key with a node
// that is not in the cluster does so too, which only shows when it happens; see [unusual].
func checkReply(to processor.Destination) error {
	if isReply(to) && replyingNode(to) == "" {
		return fmt.Errorf("%w: the reply address names no channel", processor.ErrUnroutable)
	}
	return nil
}

// isReply reports whether a message for that place is a direct reply.
func isReply(to processor.Destination) bool {
	return to.Exchange == "" && strings.HasPrefix(to.RoutingKey, DirectReply+".")
}

// replyingNode returns the node in a direct reply's address, as RabbitMQ writes it there. It is "" for
// a malformed one, and for all other destinations.
func replyingNode(to processor.Destination) string {
	if !isReply(to) {
		return ""
	}
	channel, _, _ := strings.Cut(to.RoutingKey[len(DirectReply)+1:], ".")
	term, err := base64.StdEncoding.DecodeString(channel)
	if err != nil {
		return ""
	}
	return nodeOf(term)
}

// replyNode is how RabbitMQ writes the name of a node in a reply address: as a hash.
var replyNode = regexp.MustCompile(`^reply@\d+$`)

// nodeOf returns the node of the pid of an Erlang process in its external format, as RabbitMQ
// writes it in a reply address: a version, a tag, the node with a length of one or two bytes, numbers.
// It is "" if term is none.
func nodeOf(term []byte) string {
	if len(term) < 5 || term[0] != 131 {
		return ""
	}
	var numbers int
	switch term[1] {
	case 103: // PID_EXT
		numbers = 4 + 4 + 1
	case 88: // NEW_PID_EXT
		numbers = 4 + 4 + 4
	default:
		return ""
	}
	node := term[4:]
	length := int(term[3])
	switch term[2] {
	case 115, 119: // small atoms
	case 100, 118: // atoms
		node, length = term[5:], length<<8+int(term[4])
	default:
		return ""
	}
	if len(node) != length+numbers || !replyNode.Match(node[:length]) {
		return ""
	}
	return string(node[:length])
}
