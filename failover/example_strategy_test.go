package failover_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/gowarren/warren/failover"
)

// Many workers with the same URLs spread over the nodes.
func ExampleShuffle() { //nolint:testableexamples // it needs a broker
	ctx := context.Background()
	connection, err := failover.Dial(ctx, []string{"amqp://one;two;three"}, failover.InOrder(failover.Shuffle()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = connection.Close(ctx) }()
}

// Nodes of the own zone come first, in the order of the URLs. Like every order, it is
// an iterator over the nodes, and is called once for each round.
func ExampleInOrder() {
	nearFirst := func(nodes []failover.Endpoint) iter.Seq[failover.Endpoint] {
		far := func(e failover.Endpoint) int {
			if strings.HasSuffix(e.Address(), ".near:5672") {
				return 0
			}
			return 1
		}
		slices.SortFunc(nodes, func(a, b failover.Endpoint) int {
			return cmp.Or(far(a)-far(b), a.Number()-b.Number())
		})
		return slices.Values(nodes)
	}

	nodes, _ := failover.ParseURLs([]string{"amqp://a.far;b.near;c.near"})
	for node := range nearFirst(nodes) {
		fmt.Println(node)
	}
	_ = failover.InOrder(nearFirst) // an option of Dial

	// Output:
	// amqp://b.near:5672/%2F
	// amqp://c.near:5672/%2F
	// amqp://a.far:5672/%2F
}
