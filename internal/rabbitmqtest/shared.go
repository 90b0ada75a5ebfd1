//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"go.uber.org/goleak"
)

// clusterSize is the size of the shared cluster: the smallest with a majority after the loss of one.
const clusterSize = 3

// The package's node, which is a cluster of one, and its cluster.
var (
	inMain        bool // Main will stop them
	sharedNode    = shared{size: 1}
	sharedCluster = shared{size: clusterSize}
)

type shared struct {
	size    int
	once    sync.Once
	cluster *Cluster
	err     error
}

// errNoMain keeps a node from outliving the tests that share it.
var errNoMain = errors.New("Shared and SharedCluster need func TestMain(m *testing.M) { rabbitmqtest.Main(m) }")

// Main runs the tests of a package, stops their shared nodes, and exits. m is a [testing.M].
// Goroutines that are left when all tests have passed are a failure.
func Main(m goleak.TestingM, opts ...goleak.Option) {
	inMain = true
	code := m.Run()
	if err := errors.Join(sharedNode.close(), sharedCluster.close()); err != nil {
		fmt.Fprintln(os.Stderr, "rabbitmqtest:", err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(opts...); err != nil {
			fmt.Fprintln(os.Stderr, "rabbitmqtest: goroutines are left:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Shared returns the node that all tests of the package share; the first call starts it.
// If the start fails, every test that calls it fails. Use unique names on it, and [Start] to
// harm a node.
func Shared(tb TB) *Node {
	tb.Helper()
	return sharedNode.get(tb).nodes[0]
}

// SharedCluster is [Shared] for a cluster of three nodes; use [StartCluster] to harm one.
func SharedCluster(tb TB) *Cluster {
	tb.Helper()
	return sharedCluster.get(tb)
}

func (s *shared) get(tb TB) *Cluster {
	tb.Helper()
	s.once.Do(func() {
		if s.err = errNoMain; inMain {
			s.cluster, s.err = startCluster(tb, s.size)
		}
	})
	if s.err != nil {
		tb.Fatalf("rabbitmqtest: %v", s.err)
	}
	tb.Cleanup(func() { s.cluster.logFailure(tb) })
	return s.cluster
}

func (s *shared) close() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.close()
}
