package reply

import (
	"strings"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
)

// destination returns where the reply to msg goes, and whether one is wanted.
func (r *reply) destination(msg processor.Message) (to processor.Destination, wanted bool) {
	replyTo := msg.Properties().ReplyTo
	if replyTo == "" {
		return to, false
	}
	if p, ok := r.protocol.(remote.Addressed); ok {
		return p.ReplyDestination(replyTo), true
	}
	return processor.Destination{RoutingKey: replyTo}, true
}

// directPrefix begins the reply-to of a client that uses RabbitMQ's direct reply-to, as the service sees it.
const directPrefix = "amq.rabbitmq.reply-to."

func isDirect(to processor.Destination) bool {
	return to.Exchange == "" && strings.HasPrefix(to.RoutingKey, directPrefix)
}
