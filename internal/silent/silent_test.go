package silent_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

func to(key string) processor.Destination { return processor.Destination{RoutingKey: key} }

func TestASilentDestinationIsAskedLessAndLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silent.Destinations
		require.Equal(t, silent.Free, s.Ask(to("a")))
		require.False(t, s.Any())
		due, first := s.Add(to("a"))
		require.True(t, first)
		require.True(t, s.Any())
		for i, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			require.Equal(t, time.Duration(want)*time.Second, time.Until(due), i)
			v, at := s.Look(to("a"))
			require.Equal(t, silent.Later, v)
			require.Equal(t, due, at)
			require.Equal(t, silent.Later, s.Ask(to("a")))
			require.Equal(t, silent.Free, s.Ask(to("b")))
			time.Sleep(time.Until(due))
			v, _ = s.Look(to("a"))
			require.Equal(t, silent.Probe, v)
			require.Equal(t, silent.Probe, s.Ask(to("a")))
			require.Equal(t, silent.Asked, s.Ask(to("a")), "one at a time")
			s.Spare(to("a"))
			require.Equal(t, silent.Probe, s.Ask(to("a")))
			due, first = s.Add(to("a"))
			require.False(t, first)
		}
		s.Answered(to("a"), time.Now())
		require.Equal(t, silent.Free, s.Ask(to("a")))
		require.False(t, s.Any())
	})
}

// Many workers that had sent there at the same time counted as so many tries.
func TestWhatWasSentTogetherIsOneTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := silent.Destinations{Longest: 3 * time.Second}
		for range 4 {
			due, _ := s.Add(to("a"))
			require.Equal(t, time.Second, time.Until(due))
		}
		for _, want := range []time.Duration{2 * time.Second, 3 * time.Second, 3 * time.Second} {
			time.Sleep(3 * time.Second)
			s.Ask(to("a"))
			due, _ := s.Add(to("a"))
			require.Equal(t, want, time.Until(due))
		}
		s.Forget(to("a"))
		require.Equal(t, silent.Free, s.Ask(to("a")))
	})
}

func TestOnlyTheAnswerOfAnotherShowsThatTheBrokerIsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silent.Destinations
		start := time.Now()
		after := start.Add
		s.Answered(to("a"), after(10))
		require.False(t, s.HeardBesides(to("a"), start))
		require.True(t, s.HeardBesides(to("b"), after(9)))
		require.False(t, s.HeardBesides(to("b"), after(10)))
		s.Answered(to("b"), after(5))
		require.True(t, s.HeardBesides(to("a"), after(4)))
		s.Answered(to("a"), after(20))
		require.True(t, s.HeardBesides(to("a"), after(4)), "b is remembered, though a has answered since")
		s.Answered(to("c"), after(7))
		s.Answered(to("a"), after(15))
		require.True(t, s.HeardBesides(to("a"), after(6)))
		require.True(t, s.HeardBesides(to("b"), after(19)))
		s.Answered(to("c"), after(30))
		require.True(t, s.HeardBesides(to("a"), after(29)))
		require.True(t, s.HeardBesides(to("c"), after(19)))
		require.False(t, s.HeardBesides(to("c"), after(20)))
	})
}

func TestDestinationsOfLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silent.Destinations
		for i := range 100 {
			s.Add(to(fmt.Sprint(i)))
		}
		time.Sleep(time.Hour)
		s.Add(to("new"))
		require.Equal(t, silent.Free, s.Ask(to("1")))
		require.Equal(t, silent.Later, s.Ask(to("new")))
	})
}
