package broker_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// died returns the headers h as RabbitMQ delivers them after that many deaths with names of that
// length, with everything that any version adds.
func died(h processor.Headers, deaths, name int) processor.Headers {
	n, reason := strings.Repeat("n", name), "delivery_limit"
	h = h.Clone()
	entries := []any{}
	for i := range deaths {
		entries = append(entries, processor.Headers{
			"count": int64(i), "reason": reason, "time": time.Unix(int64(i), 0), "queue": n, "exchange": n,
			"routing-keys": []any{n}, "original-expiration": "315360000000",
		})
	}
	h["x-death"] = entries
	for _, which := range []string{"first", "last"} {
		h["x-"+which+"-death-queue"], h["x-"+which+"-death-exchange"], h["x-"+which+"-death-reason"] = n, n, reason
	}
	h["x-delivery-count"], h["x-acquired-count"] = int64(1), int64(1)
	return h
}

func TestWhatFitsLaterStillFitsWhenItHasDied(t *testing.T) {
	t.Parallel()
	for _, deaths := range []int{1, 2, 24} {
		for _, name := range []int{0, 20, 255} {
			t.Run(fmt.Sprint(deaths, " deaths, names of ", name), func(t *testing.T) {
				t.Parallel()
				big := func(n int) processor.Headers { return processor.Headers{"big": strings.Repeat("b", n)} }
				most := sort.Search(131_072, func(n int) bool {
					return broker.FitsLater(processor.Envelope{Headers: big(n + 1)}, deaths, 3*name) != nil
				})
				require.Greater(t, most, 100_000)
				require.ErrorIs(t, broker.FitsLater(processor.Envelope{Headers: big(most + 1)}, deaths, 3*name), processor.ErrTooLarge)
				_, err := prepare(died(big(most), deaths, name))
				require.NoError(t, err)
				// No smaller than it has to be, but for two keys and a table's length.
				_, err = prepare(died(big(most+2*name+4+1), deaths, name))
				require.ErrorIs(t, err, processor.ErrTooLarge)
			})
		}
	}
}

func TestWhatFitsLaterLeavesRoomForTheBrokersHeaders(t *testing.T) {
	t.Parallel()
	many := processor.Headers{}
	for i := range 8192 - 9 {
		many[fmt.Sprint(i)] = nil
	}
	require.NoError(t, broker.FitsLater(processor.Envelope{Headers: many}, 1, 0))
	require.Len(t, died(many, 1, 0), 8192)
	many["one more"] = nil
	require.ErrorIs(t, broker.FitsLater(processor.Envelope{Headers: many}, 1, 0), processor.ErrTooLarge)
}

func TestFitsLaterTakesWhatHasNotBeenPrepared(t *testing.T) {
	t.Parallel()
	require.NoError(t, broker.FitsLater(processor.Envelope{}, 24, 3*255))
	require.NoError(t, broker.FitsLater(processor.Envelope{Headers: processor.Headers{"m": map[string]any{"n": 1}}}, 1, 0))
	big := map[string]any{"n": strings.Repeat("b", 131_000)}
	require.ErrorIs(t, broker.FitsLater(processor.Envelope{Headers: processor.Headers{"m": big}}, 1, 0), processor.ErrTooLarge)
	require.ErrorIs(t, broker.FitsLater(processor.Envelope{Headers: processor.Headers{"m": []string{"n"}}}, 1, 0), processor.ErrHeaderType)
}
