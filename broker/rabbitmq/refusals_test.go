package rabbitmq_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

var pid = regexp.MustCompile(`<[^>]+>`)

// A channel that nacks may do so for ever. It was kept when the one before it had been
// replaced less than a moment ago, and whoever tried again was nacked by it again.
func TestAChannelThatHasRefusedIsReplacedSoonerOrLater(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	queue := declareQueue(t, node.URL(), amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	b := open(t, node.URL())
	others := pid.FindAllString(node.Call(t, "rabbit_channel list []"), -1)
	channels := func() []string {
		all := pid.FindAllString(node.Call(t, "rabbit_channel list []"), -1)
		return slices.DeleteFunc(all, func(c string) bool { return slices.Contains(others, c) })
	}
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("first")))
	for range 4 {
		before := channels()
		require.Len(t, before, 1)
		require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), text("more")), processor.ErrRefused)
		require.Eventually(t, func() bool {
			now := channels()
			return len(now) == 1 && now[0] != before[0]
		}, patience, 10*time.Millisecond)
	}
}
