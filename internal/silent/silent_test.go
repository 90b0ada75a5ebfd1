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

// Hours after the last message to it, a destination that had been silent once was still taken for silent.
func TestASilenceOfLongAgoIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silent.Destinations
		due, _ := s.Add(to("a"))
		time.Sleep(time.Until(due) + time.Minute)
		v, _ := s.Look(to("a"))
		require.Equal(t, silent.Probe, v)
		time.Sleep(time.Nanosecond)
		v, _ = s.Look(to("a"))
		require.Equal(t, silent.Free, v)
		require.False(t, s.Any())
		s.Add(to("a"))
		time.Sleep(3 * time.Minute)
		require.False(t, s.Any(), "nobody has looked")
		s.Add(to("a"))
		time.Sleep(time.Second)
		require.Equal(t, silent.Probe, s.Ask(to("a")))
		time.Sleep(time.Hour)
		require.Equal(t, silent.Asked, s.Ask(to("a")), "one is in flight")
	})
}

func TestTheEndOfAProbeIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		isClosed := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		for name, end := range map[string]func(s *silent.Destinations){
			"answered": func(s *silent.Destinations) { s.Answered(to("a"), time.Now()) },
			"forget":   func(s *silent.Destinations) { s.Forget(to("a")) },
			"spare":    func(s *silent.Destinations) { s.Spare(to("a")) },
			"add":      func(s *silent.Destinations) { s.Add(to("a")) },
		} {
			var s silent.Destinations
			require.True(t, isClosed(s.Landed(to("a"))))
			s.Add(to("a"))
			require.True(t, isClosed(s.Landed(to("a"))))
			time.Sleep(time.Second)
			require.Equal(t, silent.Probe, s.Ask(to("a")))
			landed := s.Landed(to("a"))
			require.False(t, isClosed(landed))
			end(&s)
			require.True(t, isClosed(landed), name)
			s.Spare(to("a"))
		}
	})
}

func TestTheEndOfASilenceIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var over []silent.Silence
		s := silent.Destinations{Over: func(e silent.Silence) { over = append(over, e) }}
		for _, key := range []string{"a", "b", "c"} {
			s.Add(to(key))
			s.Drop(to(key))
		}
		s.Drop(to("b"))
		s.Drop(to("none"))
		s.Answered(to("a"), time.Now())
		s.Answered(to("a"), time.Now())
		require.Equal(t, []silent.Silence{{To: to("a"), Dropped: 1, Answered: true}}, over)
		time.Sleep(time.Hour)
		s.Look(to("b"))
		s.Answered(to("a"), time.Now())
		require.Equal(t, []silent.Silence{{To: to("b"), Dropped: 2}, {To: to("c"), Dropped: 1}}, over[1:])
	})
}

// Who has one worker sends nothing to others while a message waits for its answer.
func TestMessagesInARowThatAreNotAnsweredCountAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silent.Destinations
		try := func() (since time.Time) {
			begun := time.Now()
			time.Sleep(15 * time.Second)
			return s.Unanswered(to("a"), begun)
		}
		first := time.Now()
		require.Equal(t, first, try())
		time.Sleep(10 * time.Second)
		require.Equal(t, first, try())
		require.Equal(t, first.Add(-time.Second), s.Unanswered(to("a"), first.Add(-time.Second)), "it is its own row at least")
		time.Sleep(10*time.Second + 1)
		second := time.Now()
		require.Equal(t, second, try(), "too long ago")
		s.Add(to("a"))
		added := time.Now()
		time.Sleep(time.Second)
		require.Equal(t, added, try(), "what was known is used up")
		s.Answered(to("a"), time.Now())
		third := time.Now()
		require.Equal(t, third, try())
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
