package brokertest

import (
	"slices"
	"testing"

	"github.com/gowarren/warren/broker"
)

// Run runs the suite as parallel subtests of t. It calls open once for each, possibly
// from many goroutines at once, and closes the broker that open returns. open may return
// several brokers on the same node, but not one broker twice. A case that
// fails says why the behaviour matters.
//
// If the broker implements [broker.Counter] or [broker.Redeclarer] the suite checks
// that too. [Without] leaves out abilities that a broker lacks; [Version] selects the behaviour
// where the versions of RabbitMQ differ.
func Run(t *testing.T, open func(t testing.TB) broker.Broker, opts ...Option) {
	t.Helper()
	able := abilities{version: versions[0]}
	for _, o := range opts {
		o(&able)
	}
	for _, c := range allCases() {
		if able.lacks(c.needs...) || c.only != nil && !c.only(able.version) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, open(t), c.why)
			r.abilities = able
			c.run(r)
		})
	}
}

// testCase is one behaviour.
type testCase struct {
	name  string
	why   string // the text of every failure
	needs []Ability
	only  func(version) bool // the versions that have this behaviour; nil: all
	run   func(r *rig)
}

func allCases() []testCase {
	return slices.Concat(
		declareCases, inTopologies(routingCases), contentCases, limitCases, publishCases,
		inTopologies(expiryCases), inTopologies(deadLetterCases), inTopologies(deathCases),
		inTopologies(deliveryCases), inTopologies(delayedCases), inTopologies(priorityCases), inTopologies(roundCases),
		redeliveryCases, prefetchCases, settleCases, lifecycleCases,
	)
}
