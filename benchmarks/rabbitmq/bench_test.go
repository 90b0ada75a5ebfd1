package rabbitmq_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gowarren/warren/broker"
)

// rows are the measurements, with the number of messages in a turn. Turns are short, so that a busy
// moment of the machine affects both sides of a pair.
var rows = []struct {
	name string
	turn int
	kind broker.QueueType
	task func(n int) task
}{
	{"publish/goroutines=1", 100, broker.Classic, func(n int) task { return publishing(n, 1) }},
	{"publish/goroutines=64", 1000, broker.Classic, func(n int) task { return publishing(n, 64) }},
	{"consume/classic/workers=1", 6000, broker.Classic, func(n int) task { return consuming(n, 1) }},
	{"consume/classic/workers=8", 6000, broker.Classic, func(n int) task { return consuming(n, 8) }},
	{"consume/quorum/workers=1", 6000, broker.Quorum, func(n int) task { return consuming(n, 1) }},
	{"consume/quorum/workers=8", 6000, broker.Quorum, func(n int) task { return consuming(n, 8) }},
}

// pairs is how often each side has its turn.
const pairs = 51

// BenchmarkRabbitMQ lets Warren and the raw client take turns. It reports the median of the turns:
// an op is one message of Warren's, columns that begin with raw are the raw client's, and the ratio
// is that of each pair of turns: 1 is as fast as the raw client, 0.5 half as fast.
func BenchmarkRabbitMQ(b *testing.B) { benchmark(b, newWarrenClient, all) }

// BenchmarkControl has the raw client in Warren's place. The distance of its ratio from 1 is the
// error of the other.
func BenchmarkControl(b *testing.B) { benchmark(b, newRawClient, all) }

func all(string) bool { return true }

func benchmark(b *testing.B, challenger func(testing.TB, string) client, chosen func(row string) bool) {
	b.Helper()
	for _, row := range rows {
		if !chosen(row.name) {
			continue
		}
		b.Run(row.name, func(b *testing.B) {
			d, t := newDuel(b, row.kind, challenger), row.task(row.turn)
			var raw, other []cost
			for b.Loop() {
				for i := range pairs {
					if i%2 == 0 {
						raw = append(raw, measure(b, d, d.raw, t))
						other = append(other, measure(b, d, d.challenger, t))
					} else { // so that neither is always second
						other = append(other, measure(b, d, d.challenger, t))
						raw = append(raw, measure(b, d, d.raw, t))
					}
				}
			}
			report(b, float64(row.turn), raw, other)
		})
	}
}

// Both sides really do the measured work, down to the last message.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, few := newDuel(t, row.kind, newWarrenClient), row.task(200)
			for range 2 {
				measure(t, d, d.raw, few)
				measure(t, d, d.challenger, few)
			}
		})
	}
}

// patience is how long a turn may take.
const patience = time.Minute

// cost is the cost of one turn.
type cost struct {
	time          time.Duration
	allocs, bytes uint64
}

// measure runs one side's turn and checks the result.
func measure(tb testing.TB, d *duel, side client, t task) cost {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	d.prepare(ctx, tb, t)
	var before, after runtime.MemStats
	runtime.GC() // neither side pays for the other's garbage
	runtime.ReadMemStats(&before)
	begin := time.Now()
	end, err := t.do(ctx, side, d.queue)
	runtime.ReadMemStats(&after)
	if err != nil {
		tb.Fatalf("%T: %v", side, err)
	}
	d.check(tb, t)
	return cost{
		time:   end.Sub(begin),
		allocs: after.Mallocs - before.Mallocs,
		bytes:  after.TotalAlloc - before.TotalAlloc,
	}
}

func report(b *testing.B, turn float64, raw, other []cost) {
	b.Helper()
	ratios := make([]float64, len(raw))
	for i := range raw {
		ratios[i] = raw[i].seconds() / other[i].seconds()
	}
	b.ReportMetric(median(ratios), "ratio")

	seconds := median(each(other, cost.seconds)) / turn
	b.ReportMetric(seconds*float64(time.Second), "ns/op")
	b.ReportMetric(1/seconds, "msgs/s")
	b.ReportMetric(turn/median(each(raw, cost.seconds)), "raw-msgs/s")

	allocs := func(c cost) float64 { return float64(c.allocs) / turn }
	b.ReportMetric(median(each(other, allocs)), "allocs/op")
	b.ReportMetric(median(each(raw, allocs)), "raw-allocs/op")
	b.ReportMetric(median(each(other, func(c cost) float64 { return float64(c.bytes) / turn })), "B/op")
}

func (c cost) seconds() float64 { return c.time.Seconds() }

func each(costs []cost, of func(cost) float64) []float64 {
	values := make([]float64, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	return values
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
