//go:build unix

// Package rabbitmqtest starts private RabbitMQ nodes on loopback, for tests.
//
// A package whose tests need a broker calls [Main] from its TestMain and asks for a
// node in each test:
//
//	func TestMain(m *testing.M) { rabbitmqtest.Main(m) }
//
//	func TestPublish(t *testing.T) {
//		node := rabbitmqtest.Shared(t)
//		conn, err := amqp.Dial(node.URL())
//		...
//	}
//
// [Shared] is one node for the whole package, started by the first test that asks; its
// tests keep out of each other's way by using queues of their own. [Start] is a node
// for one test, which may kill it, hang it and raise its alarms. A node takes two to
// six seconds to start, and about 130 MB.
//
// [SharedCluster] and [StartCluster] are the same for a cluster of several nodes,
// with quorum queues that outlive any one of them. Two of the three start when the first is
// ready, which takes much processor time: use a cluster only where one node is not enough:
//
//	cluster := rabbitmqtest.StartCluster(t, 3)
//	...
//	cluster.Leader(t, queue).Kill(t)
//	cluster.AwaitQuorum(t, queue)
//
// A program that starts nodes does so in [Run].
//
// # Where RabbitMQ is
//
// RABBITMQ_HOME, if it is set, is the directory with sbin/rabbitmq-server or
// bin/rabbitmq-server: of a generic Unix archive, of "brew --prefix rabbitmq", or
// /usr/lib/rabbitmq of Debian's package. If it is not, the nodes are of the newest
// RabbitMQ that is installed: of those that scripts/unpack-rabbitmq has put in the user's cache
// (warren/rabbitmq-* in [os.UserCacheDir]), and of Debian's package rabbitmq-server. An
// unpacked one has its own Erlang; for the others erl, epmd and erl_call must be on
// the PATH. A test that finds no broker fails; it does not skip.
//
// # Versions
//
// Tests ask [Version]. The harness is the same for all, but the broker is not:
//
//   - Without a majority a node pauses before 4.2: it closes its connections and accepts
//     none. From 4.2 Khepri holds the definitions instead of Mnesia, nothing pauses, and
//     clients stay on a node that serves no quorum queue; [Release.PausesMinority].
//   - The consumer timeout closes the channel before 4.3. From 4.3 it cancels the consumer
//     of a quorum queue, and a classic queue has none; [Node.SetConsumerTimeout].
//
// # Isolation
//
// Each node has its own directory and ports, and a cookie and an epmd that
// are its own or its cluster's, so any number of test processes can run side by side,
// beside any other RabbitMQ. Nothing is left behind. On Linux the kernel kills the nodes and epmd
// with the test process, however that ends, and the next start removes its directory.
//
// # Debugging
//
// A node that fails to start shows the tail of its log. WARREN_RABBITMQ_LOG=1 prints
// the log of each node whose test fails.
package rabbitmqtest
