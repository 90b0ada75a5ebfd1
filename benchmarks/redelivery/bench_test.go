package redelivery_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

var errMail = errors.New("mail server says no")

const (
	messages = 6000
	pairs    = 11
)

// delays reports whether the node has delayed retries: RabbitMQ from 4.3 on.
func delays(tb testing.TB) bool {
	tb.Helper()
	return rabbitmqtest.Version(tb).AtLeast(4, 3)
}

// BenchmarkRedelivery reports by how much retries without copies are faster, and their use of the
// client's processor: medians and quartiles of the pairs of turns.
func BenchmarkRedelivery(b *testing.B) {
	if !delays(b) {
		b.Fatal("this needs RabbitMQ 4.3: set RABBITMQ_HOME")
	}
	for _, workers := range []int{1, 20, prefetch} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			one, other := newRedelivery(b), newRetry(b)
			n := messages
			if workers == 1 {
				n /= 10 // copies one by one take their time
			}
			var speed, cpu, took []float64
			for b.Loop() {
				for i := range pairs {
					var x, y cost
					if i%2 == 0 {
						x, y = one.turn(b, n, workers), other.turn(b, n, workers)
					} else { // so that neither is always second
						y, x = other.turn(b, n, workers), one.turn(b, n, workers)
					}
					speed = append(speed, float64(y.time)/float64(x.time))
					cpu = append(cpu, float64(x.cpu)/float64(y.cpu))
					took = append(took, x.time.Seconds())
				}
			}
			for name, list := range map[string][]float64{"ratio": speed, "cpu": cpu} {
				slices.Sort(list)
				b.ReportMetric(list[len(list)/4], name+"-q1")
				b.ReportMetric(list[len(list)/2], name)
				b.ReportMetric(list[len(list)*3/4], name+"-q3")
			}
			slices.Sort(took)
			b.ReportMetric(float64(n)/took[len(took)/2], "msg/s")
			b.ReportMetric(0, "ns/op") // says nothing here
		})
	}
}

// Both sides really do the measured work.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	for range 2 {
		newRetry(t).turn(t, 100, 10)
	}
	if !delays(t) {
		return // the other one is refused: see processors/redelivery
	}
	one := newRedelivery(t)
	for range 2 {
		one.turn(t, 100, 10)
	}
	n, err := one.broker.Ready(t.Context(), one.work)
	require.NoError(t, err)
	require.Zero(t, n)
}
