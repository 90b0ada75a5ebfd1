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
// [SharedCluster] and [StartCluster] are the same for several nodes that are one broker,
// with quorum queues that outlive any one of them. Three nodes start together and take
// five or six seconds on two idle processors; it is all work, so ask for them where one node
// will not do:
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
// The default is Debian's package rabbitmq-server, in /usr/lib/rabbitmq/bin. Elsewhere
// set RABBITMQ_HOME to the directory of a generic Unix archive, or to the output of
// "brew --prefix rabbitmq": a directory with sbin/rabbitmq-server or bin/rabbitmq-server.
// Erlang's erl, epmd and erl_call must be on the PATH. A test that finds no
// broker fails; it does not skip.
//
// # What is left behind
//
// Nothing. Each node has a directory and ports of its own, and a cookie and an epmd that
// are its own or its cluster's, so any number of test processes can run side by side,
// beside any other RabbitMQ. On Linux the kernel kills the nodes and epmd with the test
// process, however that ends. A directory that such a death leaves behind is removed by
// the next start.
//
// # Debugging
//
// A node that fails to start shows the tail of its log. WARREN_RABBITMQ_LOG=1 prints
// the log of each node whose test fails.
package rabbitmqtest
