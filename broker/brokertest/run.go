package brokertest

import (
	"slices"
	"testing"

	"github.com/gowarren/warren/broker"
)

// Run runs the suite as parallel subtests of t. It calls open once for each, possibly
// from many goroutines at once, and closes what open returns. open may hand out
// several brokers that lead to the same node, but not one broker twice. A case that
// fails says why the behaviour matters.
//
// Where the broker implements [broker.Counter] or [broker.Redeclarer] the suite checks
// that too.
func Run(t *testing.T, open func(t testing.TB) broker.Broker) {
	t.Helper()
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(newRig(t, open(t), c.why))
		})
	}
}

// testCase is one behaviour.
type testCase struct {
	name string
	why  string // the text of every failure
	run  func(r *rig)
}

func allCases() []testCase {
	return slices.Concat(
		declareCases, routingCases, contentCases, limitCases, publishCases, expiryCases,
		deadLetterCases, deathCases, redeliveryCases, prefetchCases, settleCases, lifecycleCases,
	)
}
