//go:build unix

package rabbitmqtest_test

import (
	"crypto/rand"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestSharedIsOneNode(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	require.Same(t, node, rabbitmqtest.Shared(t))
	dial(t, node.URL())
}

func TestRestartKeepsDataAndURL(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for name, end := range map[string]func(rabbitmqtest.TB){"killed": node.Kill, "stopped": node.Stop} {
		url := node.URL()
		publish(t, url, name)
		node.Sync(t)
		end(t)
		end(t) // works twice
		requireSilent(t, node.Addresses()[0])
		node.Restart(t)
		require.Equal(t, url, node.URL())
		require.Equal(t, 1, ready(t, url, name))
	}
	node.Pause(t)
	node.Restart(t) // a running node is stopped first, and a paused one can be
	dial(t, node.URL())
}

func TestNodesGoWithTheirTest(t *testing.T) {
	t.Parallel()
	var nodes []*rabbitmqtest.Node
	t.Run("inner", func(t *testing.T) { nodes = rabbitmqtest.StartCluster(t, 2).Nodes() })
	for _, node := range nodes {
		for _, address := range node.Addresses() {
			requireSilent(t, address)
		}
		require.NoDirExists(t, node.Directory())
	}
}

func TestHeartbeatIsProposed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Heartbeat(7*time.Second), rabbitmqtest.Config("channel_max = 11"))
	conn, err := amqp.DialConfig(node.URL(), amqp.Config{Heartbeat: time.Minute})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Equal(t, 7*time.Second, conn.Config.Heartbeat)
	require.Equal(t, uint16(11), conn.Config.ChannelMax)
}

func TestASettingHoldsAfterARestart(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Setting("credit_flow_default_credit", "{7,3}"))
	node.Restart(t)
	require.Equal(t, "{ok, {7, 3}}", node.Call(t, "application get_env [rabbit, credit_flow_default_credit]"))
}

func TestUsersAndVhosts(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	// Its own names on the shared node, also where it runs again. They need escaping.
	vhost, user, password := "a/b "+rand.Text(), "p@ul:"+rand.Text(), "p@ss:w/rd"
	node.AddVhost(t, vhost)
	dial(t, node.URLFor("guest", "guest", vhost))
	node.AddUser(t, user, password, vhost)
	dial(t, node.URLFor(user, password, vhost))
	_, err := amqp.Dial(node.URLFor(user, password, "/"))
	require.Error(t, err)
}
