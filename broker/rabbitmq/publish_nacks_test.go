package rabbitmq_test

import (
	"context"
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

// A channel that nacks may do so without end. It was kept if the previous one had been replaced
// less than a moment ago, and each retry was nacked by it again.
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

// A queue that answers nothing kept each channel open that another queue's nacks had replaced: one
// more every five seconds, with a thousand messages on each. Publishes whose callers still wait do
// keep their channel.
func TestReplacedChannelsDoNotWaitForWhatWasAbandoned(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	full := declareQueue(t, node.URL(), amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	silent := declareQueue(t, node.URL(), nil)
	b := open(t, node.URL())
	others := pid.FindAllString(node.Call(t, "rabbit_channel list []"), -1)
	channels := func() []string {
		all := pid.FindAllString(node.Call(t, "rabbit_channel list []"), -1)
		return slices.DeleteFunc(all, func(c string) bool { return slices.Contains(others, c) })
	}
	tell(t, node, silent, "suspend")
	awaited := make(chan error, 1)
	go func() { awaited <- b.Publisher().Publish(within(t), to(silent), text("awaited")) }()
	require.Eventually(t, func() bool { return len(channels()) == 1 }, patience, time.Millisecond)
	first := channels()[0]

	seen := map[string]bool{}
	for len(seen) < 5 {
		for _, c := range channels() {
			seen[c] = true
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		require.Error(t, b.Publisher().Publish(ctx, to(silent), text("abandoned")))
		cancel()
		_ = b.Publisher().Publish(within(t), to(full), text("nacked"))
	}
	require.Eventually(t, func() bool { return len(channels()) == 2 }, patience, 10*time.Millisecond)
	require.Contains(t, channels(), first)
	tell(t, node, silent, "resume")
	require.NoError(t, <-awaited)
	require.Eventually(t, func() bool { return len(channels()) == 1 }, patience, 10*time.Millisecond)
}

// tell makes the process of a queue suspend, so that it answers nothing, or resume.
func tell(tb testing.TB, node *rabbitmqtest.Node, queue, what string) {
	tb.Helper()
	node.Eval(tb, `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<%q>>)), sys:%s(amqqueue:get_pid(Q))`, queue, what)
}
