//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// shared is the package's node.
var shared struct {
	inMain bool // somebody will stop it
	once   sync.Once
	node   *Node
	err    error
}

// errNoMain keeps a node from outliving the tests that share it.
var errNoMain = errors.New("Shared needs func TestMain(m *testing.M) { rabbitmqtest.Main(m) }")

// Main runs the tests of a package, stops the shared node if there is one, and exits.
// Goroutines that are left when all tests have passed are a failure.
func Main(m *testing.M, opts ...goleak.Option) {
	shared.inMain = true
	code := m.Run()
	if err := closeShared(); err != nil {
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

// Shared returns the node that all tests of the package share, and starts it for the
// first that asks. If the start fails, every test that asks fails. The node has no
// owner: use names of your own on it, and [Start] to harm one.
func Shared(tb testing.TB) *Node {
	tb.Helper()
	shared.once.Do(func() {
		if shared.err = errNoMain; shared.inMain {
			shared.node, shared.err = start()
		}
	})
	if shared.err != nil {
		tb.Fatalf("rabbitmqtest: %v", shared.err)
	}
	tb.Cleanup(func() { shared.node.logFailure(tb) })
	return shared.node
}

func closeShared() error {
	if shared.node == nil {
		return nil
	}
	return shared.node.close()
}
