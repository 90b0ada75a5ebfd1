package delay_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/rabbitmq"
)

// row is one strategy to measure.
type row struct {
	name     string
	strategy func(*rabbitmq.Broker) delay.Strategy
	stepped  bool // it has the steps, and no delays between them
}

var rows = []row{
	{"steps/quorum", fixed(delay.Steps()), true},
	{"steps/classic", fixed(delay.Steps(delay.Classic())), true},
	{"ladder/quorum/unit=100ms", fixed(delay.Ladder()), false},
	{"ladder/quorum/unit=10ms", fixed(delay.Ladder(delay.Unit(10 * time.Millisecond))), false},
	{"ladder/classic/unit=100ms", fixed(delay.Ladder(delay.Classic())), false},
	{"ladder/classic/unit=10ms", fixed(delay.Ladder(delay.Classic(), delay.Unit(10*time.Millisecond))), false},
	{"compatible/classic", func(b *rabbitmq.Broker) delay.Strategy { return delay.Compatible(b) }, true},
}

func fixed(s delay.Strategy) func(*rabbitmq.Broker) delay.Strategy {
	return func(*rabbitmq.Broker) delay.Strategy { return s }
}

// Delays that are asked for.
const (
	shortest = 50 * time.Millisecond
	longest  = 30 * time.Second
)

// steps are ten delays between shortest and longest, each 2.04 times the one before.
func steps(longest time.Duration) []time.Duration {
	const n = 10
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = between(float64(i)/(n-1), longest)
	}
	return list
}

// between is shortest for 0, longest for 1, and grows by equal factors.
func between(x float64, longest time.Duration) time.Duration {
	ratio := float64(longest) / float64(shortest)
	return time.Duration(float64(shortest) * math.Pow(ratio, x)).Round(time.Millisecond)
}

// mixed returns n delays of all lengths, short ones as often as long ones.
func (r row) mixed(n int, longest time.Duration) []time.Duration {
	random := rand.New(rand.NewPCG(1, 2)) // the same in each run
	list, all := make([]time.Duration, n), steps(longest)
	for i := range list {
		if r.stepped {
			list[i] = all[random.IntN(len(all))]
		} else {
			list[i] = between(random.Float64(), longest)
		}
	}
	return list
}

// BenchmarkDelay lets a thousand messages wait at once, for up to 30 s.
func BenchmarkDelay(b *testing.B) {
	for _, r := range rows {
		b.Run(r.name, func(b *testing.B) {
			for b.Loop() {
				report(b, run(b, r, r.mixed(1000, longest)))
			}
		})
	}
}

// None is early and none is lost.
func TestDelay(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			run(t, r, r.mixed(100, 2*time.Second))
		})
	}
}

func report(b *testing.B, late []time.Duration) {
	b.Helper()
	slices.Sort(late)
	millis := func(i int) float64 { return float64(late[i]) / float64(time.Millisecond) }
	b.ReportMetric(millis(len(late)/2), "p50-ms")
	b.ReportMetric(millis(len(late)*99/100), "p99-ms")
	b.ReportMetric(millis(len(late)-1), "max-ms")
	b.ReportMetric(0, "ns/op") // says nothing here
}
