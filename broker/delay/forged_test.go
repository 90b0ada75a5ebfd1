package delay_test

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

// forged has the headers that a sender may write to steer its message.
func forged() processor.Envelope {
	return processor.Envelope{
		Body: []byte("m"),
		Headers: processor.Headers{
			"warren-delay-20": true, "warren-delay-1": "true", "warren-delay-": true, "warren-delayed": "mine",
			"x-death": []any{"malformed"}, "x-first-death-queue": "q", "x-delivery-count": int64(3),
			"CC": []any{"elsewhere"}, "BCC": []any{"elsewhere"}, "x-mine": "kept",
		},
		Properties: processor.Properties{ID: "id", UserID: "guest", Expiration: time.Millisecond, Priority: 3},
	}
}

func TestHeadersOfASenderDoNotSteer(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]delay.Delayer{
		"ladder": ladder(t, delay.Unit(time.Second)),
		"steps":  steps(t, []time.Duration{3 * time.Second}),
	} {
		for _, asked := range []time.Duration{0, 3 * time.Second} {
			t.Run(name+" "+asked.String(), func(t *testing.T) {
				t.Parallel()
				e := forged()
				var pub processortest.Publisher
				require.NoError(t, d.Delay(t.Context(), &pub, e, asked))
				require.Equal(t, forged(), e, "the caller's headers are left as they were")
				got := pub.Published()[0].Envelope
				require.Equal(t, processor.Properties{ID: "id", UserID: "guest", Priority: 3}, got.Properties)
				want := processor.Headers{"warren-delayed": "mine", "x-mine": "kept", "warren-original-priority": int64(3)}
				if name == "ladder" && asked > 0 {
					maps.Copy(want, processor.Headers{"warren-delay-1": true, "warren-delay-0": true})
				}
				require.Equal(t, want, got.Headers)
				synctest.Test(t, func(t *testing.T) {
					_, waited := newRig(t, d).trip(forged(), asked)
					require.Equal(t, asked, waited)
				})
			})
		}
	}
}

func TestThePublishersErrorComesBack(t *testing.T) {
	t.Parallel()
	for _, d := range []delay.Delayer{ladder(t), steps(t, []time.Duration{time.Second})} {
		var pub processortest.Publisher
		pub.FailWith(processor.ErrIndeterminate)
		for _, asked := range []time.Duration{0, time.Second} {
			require.ErrorIs(t, d.Delay(t.Context(), &pub, processor.Envelope{}, asked), processor.ErrIndeterminate)
		}
	}
}

// The publisher refuses a header that cannot be sent.
func TestDelayingNothingAndTooMuch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []delay.Delayer{ladder(t), steps(t, []time.Duration{time.Second})} {
			r := newRig(t, d)
			m, _ := r.trip(processor.Envelope{}, time.Second)
			require.Empty(t, m.Body())
			big := processor.Envelope{Headers: processor.Headers{"big": strings.Repeat("b", 200_000)}}
			require.ErrorIs(t, d.Delay(t.Context(), r.Publisher(), big, time.Second), processor.ErrTooLarge)
		}
	})
}
