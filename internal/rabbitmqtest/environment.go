//go:build unix

package rabbitmqtest

import (
	"os"
	"strconv"
	"strings"
)

// environment is the whole environment of the node and its tools: the RABBITMQ_ and
// ERL_ variables of the caller are not for this node.
func (n *Node) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + n.dir.path, // where the cookie is
		"LC_ALL=C.UTF-8",

		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_NODENAME=" + n.address(),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + strconv.Itoa(n.port),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(n.distPort),
		"RABBITMQ_CONFIG_FILE=" + n.path("rabbitmq"), // .conf is appended
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.path("enabled_plugins"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + n.path("feature_flags"),
		"RABBITMQ_PLUGINS_EXPAND_DIR=" + n.path("plugins"),
		"RABBITMQ_PID_FILE=" + n.path("pid"),
		"RABBITMQ_MNESIA_BASE=" + n.path("data"),
		"RABBITMQ_LOG_BASE=" + n.dir.path,
		"RABBITMQ_LOGS=" + n.path(brokerLog),

		// With it the script execs the broker, so that a signal to the child is a signal to
		// the broker.
		"RUNNING_UNDER_SYSTEMD=true",
		// Two schedulers that sleep when they are idle are enough and leave the
		// processors to the tests.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none " +
			strings.Join(n.cluster.config.settings, " ") + n.cookieArguments(),
		// The tools of many nodes may run at once: the default is room for eleven.
		"RABBITMQ_CTL_DIST_PORT_MIN=35672",
		"RABBITMQ_CTL_DIST_PORT_MAX=36671",

		// However early this process is killed, nothing starts an epmd of its own.
		"ERL_FLAGS=-start_epmd false",
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_EPMD_PORT=" + strconv.Itoa(n.cluster.epmd.port),
		"ERL_CRASH_DUMP=" + n.path("erl_crash.dump"),
		"ERL_CRASH_DUMP_SECONDS=0",
	}
}
