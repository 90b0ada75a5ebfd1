package delay_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

// A message that grew over the frame on its way ended the consumer's connection, again and again.
func TestWhatWouldGrowTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]delay.Strategy{
		"steps":      delay.Steps(),
		"ladder":     delay.Ladder(),
		"compatible": delay.Compatible(memory.New()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, err := strategy("work", []time.Duration{time.Second})
				require.NoError(t, err)
				var pub processortest.Publisher
				e := processor.Envelope{Headers: processor.Headers{"big": strings.Repeat("x", 130_900)}}
				require.ErrorIs(t, d.Delay(t.Context(), &pub, e, time.Second), processor.ErrTooLarge)
				require.Empty(t, pub.Published())
				e.Headers["big"] = strings.Repeat("x", 120_000)
				require.NoError(t, d.Delay(t.Context(), &pub, e, time.Second))
			})
		})
	}
}

// The largest message that a ladder accepts for the most hops returns, on RabbitMQ too.
func TestTheLargestMessageComesBackFromRabbitMQ(t *testing.T) {
	t.Parallel()
	b := connect(t, rabbitmqtest.Shared(t))
	queue := t.Name()
	d := ready(t, b, delay.Ladder(delay.Unit(time.Millisecond), delay.Longest(511*time.Millisecond)), broker.Queue{Name: queue})
	sub := subscribe(t, b, queue)

	var pub processortest.Publisher
	fits := func(n int) processor.Envelope {
		return processor.Envelope{Headers: processor.Headers{"big": strings.Repeat("x", n)}}
	}
	low, high := 0, 131_072 // fits, and does not
	for high-low > 1 {
		if n := (low + high) / 2; d.Delay(t.Context(), &pub, fits(n), 511*time.Millisecond) == nil {
			low = n
		} else {
			high = n
		}
	}
	require.NoError(t, d.Delay(t.Context(), b.Publisher(), fits(low), 511*time.Millisecond))
	msg := receive(t, sub)
	big, _ := msg.Headers().String("big")
	require.Len(t, big, low)
	deaths, _ := msg.Headers().List("x-death")
	require.Len(t, deaths, 9)
}
