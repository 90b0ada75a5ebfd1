package rabbitmq_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A user id that is not ours would close the channel that all share.
func TestAForeignUserIDLeavesTheOtherPublishesUnhurt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	errs := make([]error, 100)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			e := text(fmt.Sprint(i))
			e.UserID = []string{"guest", "somebody"}[i%2]
			errs[i] = b.Publisher().Publish(within(t), to(queue), e)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if i%2 == 1 {
			require.ErrorIs(t, err, processor.ErrForbidden)
		} else {
			require.NoError(t, err)
		}
	}
}

// The broker closes the channel, and whoever tries again closes the next one.
func TestWhatTheUserMayNotPublishIsForbidden(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := name(t)
	node.AddUser(t, user, "secret", "/")
	node.Ctl(t, "set_permissions", "-p", "/", user, ".*", "^(mine|inner|topics)$", ".*")
	node.Ctl(t, "set_topic_permissions", "-p", "/", user, "topics", "^may$", ".*")
	b := open(t, node.URLFor(user, "secret", "/"))
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, open(t, node.URL()).Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{
			{Name: "mine", Kind: broker.Fanout}, {Name: "theirs", Kind: broker.Fanout},
			{Name: "topics", Kind: broker.Topic}, {Name: "inner", Kind: broker.Fanout, Internal: true},
		},
		Queues:   []broker.Queue{{Name: queue}},
		Bindings: []broker.Binding{{Exchange: "mine", Queue: queue}, {Exchange: "topics", Queue: queue, RoutingKey: "#"}},
	}))
	for _, to := range []processor.Destination{
		{Exchange: "theirs"}, {RoutingKey: queue}, {Exchange: "inner"}, {Exchange: "topics", RoutingKey: "may not"},
	} {
		err := b.Publisher().Publish(within(t), to, text("1"))
		require.ErrorIs(t, err, processor.ErrForbidden, "%v", to)
		require.ErrorIs(t, err, processor.ErrIndeterminate, "an earlier one may have been allowed")
	}
	tos := make([]processor.Destination, 100)
	for i := range tos {
		tos[i] = []processor.Destination{{Exchange: "mine"}, {Exchange: "topics", RoutingKey: "may"}}[i%2]
		if i%10 == 5 {
			tos[i] = []processor.Destination{{Exchange: "theirs"}, {Exchange: "topics", RoutingKey: "may not"}}[i/10%2]
		}
	}
	for i, err := range publishAll(t, b, tos) {
		if i%10 == 5 {
			require.ErrorIs(t, err, processor.ErrIndeterminate)
		} else {
			require.NotErrorIs(t, err, processor.ErrForbidden, "it was another")
		}
	}
}

// Each try closes a channel, and opens the next one only after a wait that grows.
func TestPublishingWhatIsForbiddenIsNotABusyLoop(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, inner := open(t, url), name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: inner, Kind: broker.Fanout, Internal: true}},
	}))
	start := time.Now()
	for range 6 { // and so 5 waits
		require.ErrorIs(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: inner}, text("1")), processor.ErrForbidden)
	}
	require.GreaterOrEqual(t, time.Since(start), (50+100+200+400+800)/2*time.Millisecond, "less jitter")
}
