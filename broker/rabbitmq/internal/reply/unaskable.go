package reply

import (
	"strings"

	"github.com/gowarren/warren/internal/shortstring"
)

// Unaskable says why there is no queue of that name, which the broker must not be asked: it, or the
// client, would close the connection (3.10.8 and 4.3.6 over a reply address of a node that is not in
// the cluster), and the empty name is that of the queue declared last. It is "" for all others.
func Unaskable(queue string) string {
	switch {
	case queue == "":
		return "is empty"
	case strings.HasPrefix(queue, "amq.rabbitmq.reply-to"):
		return "stands for a channel that waits for direct replies"
	}
	return shortstring.Problem(queue)
}
