package pacing_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

func message(id, body string, more ...processortest.Option) processor.Message {
	return processortest.NewMessage(append(more, processortest.Body(body), processortest.Properties(processor.Properties{ID: id}))...)
}

// again is a message that is redelivered.
func again(more ...processortest.Option) processor.Message {
	return message("1", "a", append(more, processortest.Origin(processor.Origin{Redelivered: true}))...)
}

func TestEachMessageHasItsCount(t *testing.T) {
	t.Parallel()
	r := pacing.NewReturns(100)
	require.Equal(t, 1, r.Count(message("1", "a")))
	require.Equal(t, 1, r.Count(message("1", "b")))
	require.Equal(t, 1, r.Count(message("2", "a")))
	require.Equal(t, 2, r.Count(message("1", "a")))
	require.Equal(t, 3, r.Count(again()))
	r.Settled(again())
	require.Equal(t, 1, r.Count(again()))
	require.Equal(t, 2, r.Count(message("1", "b")))
}

func TestMessagesInARowCountToo(t *testing.T) {
	t.Parallel()
	r := pacing.NewReturns(2)
	for n, want := range []int{1, 1, 1, 2, 2, 3} {
		require.Equal(t, want, r.Count(message(strconv.Itoa(n), "")), n)
	}
	r.Settled(message("done", ""))
	require.Equal(t, 1, r.Count(message("one more", "")))
}

func TestTheBrokersCountCounts(t *testing.T) {
	t.Parallel()
	r := pacing.NewReturns(8)
	count := processortest.Header("x-delivery-count", int64(7))
	require.Equal(t, 1, r.Count(message("1", "a", count)), "a sender has written it")
	require.Equal(t, 8, r.Count(again(count)))
}

func TestTheOldestIsForgotten(t *testing.T) {
	t.Parallel()
	r := pacing.NewReturns(1 << 20)
	for i := range 1000 {
		require.Equal(t, 1, r.Count(message(strconv.Itoa(i), "")))
	}
	require.Equal(t, 2, r.Count(message("0", "")))
	require.Equal(t, 1, r.Count(message("one more", "")))
	require.Equal(t, 2, r.Count(message("1", "")))
	require.Equal(t, 1, r.Count(message("0", "")), "it was the first")
}

func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := pacing.NewReturns(100)
		msg := processortest.NewMessage()
		for _, ms := range []int{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			begun, most := time.Now(), time.Duration(ms)*time.Millisecond
			r.Hold(msg, nil, nil, nil)
			require.GreaterOrEqual(t, time.Since(begun), most/2)
			require.LessOrEqual(t, time.Since(begun), most)
		}
		over := make(chan struct{})
		close(over)
		begun := time.Now()
		r.Hold(msg, over, nil, nil)
		r.Hold(msg, nil, over, nil)
		r.Hold(msg, nil, nil, over)
		require.Equal(t, begun, time.Now(), "each of the three cuts it short")
	})
}
