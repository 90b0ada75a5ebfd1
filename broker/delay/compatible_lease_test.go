package delay_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// slow is an embedded broker with a slow network: requests and answers take time.
type slow struct {
	*memory.Broker
	redeclare, publish func() (request, answer time.Duration, err error)

	mu         sync.Mutex
	redeclares int
	lost       map[string]bool
}

func newSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{lost: map[string]bool{}, redeclare: at(0, 0, nil), publish: at(0, 0, nil)}
	s.Broker = memory.New(memory.OnDrop(func(d memory.Drop) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lost[string(d.Envelope.Body)] = true
	}))
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	require.NoError(t, s.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	return s
}

// dropped are the messages that were lost with their queue.
func (s *slow) dropped() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.lost)
}

func at(request, answer time.Duration, err error) func() (time.Duration, time.Duration, error) {
	return func() (time.Duration, time.Duration, error) { return request, answer, err }
}

// travel calls f in the middle of a call. A call that fails does nothing, or loses its
// answer if that takes time.
func travel(ctx context.Context, call func() (time.Duration, time.Duration, error), f func() error) error {
	request, answer, err := call()
	if problem := pause(ctx, request); problem != nil {
		return problem
	}
	if err != nil && answer == 0 {
		return err
	}
	if problem := f(); problem != nil {
		return problem
	}
	return errors.Join(err, pause(ctx, answer))
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slow) Redeclare(ctx context.Context, t broker.Topology) error {
	s.mu.Lock()
	s.redeclares++
	s.mu.Unlock()
	return travel(ctx, s.redeclare, func() error { return s.Broker.Redeclare(ctx, t) })
}

func (s *slow) delay(ctx context.Context, t *testing.T, body string, d time.Duration) error {
	t.Helper()
	c, err := delay.Compatible(s)("mail", nil)
	require.NoError(t, err)
	return c.Delay(ctx, processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		return travel(ctx, s.publish, func() error { return s.Publisher().Publish(ctx, to, e) })
	}), text(body), d)
}

// arrived empties the work queue when no more messages will come.
func (s *slow) arrived(t *testing.T) map[string]int {
	t.Helper()
	time.Sleep(time.Hour)
	sub := subscribe(t, s, "mail")
	came := map[string]int{}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		m, err := sub.Receive(ctx)
		cancel()
		if err != nil {
			return came
		}
		came[string(m.Body())]++
		require.NoError(t, m.Ack())
	}
}

var errAway = errors.New("away")

func TestTheQueueIsKeptWhileAPublishTakesLong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		redeclare, publish func() (time.Duration, time.Duration, error)
		redeclares         int
		err                error
		arrived            int
	}{
		"quick":                     {at(0, 0, nil), at(0, 0, nil), 1, nil, 1},
		"blocked before it is sent": {at(0, 0, nil), at(59*time.Second, 0, nil), 30, nil, 1},
		"confirmed late":            {at(0, 0, nil), at(0, 59*time.Second, nil), 30, nil, 1},
		"confirmed a bit late":      {at(0, 0, nil), at(0, 1900*time.Millisecond, nil), 1, nil, 1},
		"declares take a while":     {at(time.Second, 900*time.Millisecond, nil), at(0, 21*time.Second, nil), 12, nil, 1},
		"declares take too long":    {at(3*time.Second, 3*time.Second, nil), at(4*time.Second, 4*time.Second, nil), 5, processor.ErrIndeterminate, 1},
		"it cannot be declared":     {at(0, 0, errAway), at(0, 0, nil), 1, errAway, 0},
		"it is not published":       {at(0, 0, nil), at(59*time.Second, 0, errAway), 30, errAway, 0},
		"the answer is lost":        {at(0, 0, nil), at(0, 59*time.Second, errAway), 30, errAway, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSlow(t)
				s.redeclare, s.publish = tc.redeclare, tc.publish
				err := s.delay(t.Context(), t, "m", 100*time.Millisecond)
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.redeclares, s.redeclares)
				require.Equal(t, tc.arrived, s.arrived(t)["m"])
				require.Empty(t, s.dropped())
			})
		})
	}
}

// The first call waits for a connection; later ones are answered at once.
func TestADeclareThatWaitedForAConnectionIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		s.redeclare = func() (time.Duration, time.Duration, error) {
			if s.redeclares == 1 {
				return 0, time.Minute, nil // it was declared at the beginning, and has expired
			}
			return 0, 0, nil
		}
		require.NoError(t, s.delay(t.Context(), t, "m", time.Second))
		require.Equal(t, 2, s.redeclares)
		require.Equal(t, map[string]int{"m": 1}, s.arrived(t))
	})
}

// The broker's own timers may be late.
func TestALeaseThatIsNearlyOverIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		s.redeclare = func() (time.Duration, time.Duration, error) {
			if s.redeclares == 2 {
				return 0, 0, errAway
			}
			return 0, 0, nil
		}
		s.publish = at(0, 3500*time.Millisecond, nil)
		require.NoError(t, s.delay(t.Context(), t, "m", 4*time.Second))
		require.Equal(t, 3, s.redeclares)
		require.Equal(t, map[string]int{"m": 1}, s.arrived(t))
	})
}

// The broker goes away after the first declare, with the confirm under way.
func TestAMessageThatIsLostWithItsQueueIsNoSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		s.redeclare = func() (time.Duration, time.Duration, error) {
			if s.redeclares == 1 {
				return 0, 0, nil
			}
			return 0, 0, errAway
		}
		// It comes after 5.5 s, and would be due after 6.5; the queue goes after 6.
		s.publish = at(5500*time.Millisecond, 0, nil)
		err := s.delay(t.Context(), t, "m", time.Second)
		require.ErrorIs(t, err, processor.ErrIndeterminate)
		require.ErrorIs(t, err, errAway)
		require.Empty(t, s.arrived(t))
		require.Equal(t, map[string]bool{"m": true}, s.dropped())

		s.redeclares = 0
		s.publish = at(0, time.Minute, nil)
		require.ErrorIs(t, s.delay(t.Context(), t, "n", time.Second), processor.ErrIndeterminate, "nobody can tell")
	})
}

func TestDelayingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		s.publish = at(time.Hour, 0, nil)
		s.redeclare = func() (time.Duration, time.Duration, error) {
			if s.redeclares == 1 {
				return 0, 0, nil
			}
			return time.Hour, 0, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, s.delay(ctx, t, "m", time.Second), context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestAPublisherThatPanicsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		s.publish = func() (time.Duration, time.Duration, error) {
			time.Sleep(3 * time.Second)
			panic("no")
		}
		require.Panics(t, func() { _ = s.delay(t.Context(), t, "m", time.Second) })
		redeclares := s.redeclares
		time.Sleep(time.Minute)
		require.Equal(t, redeclares, s.redeclares)
	})
}

// However long each call takes, and whichever fails: a message arrives if Delay succeeds.
func TestNoTimingLosesAMessage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSlow(t)
				r := random(seed, 0)
				s.redeclare, s.publish = timings(random(seed, 1), 0.2), timings(random(seed, 2), 0.05)
				var successes []string
				for n := range 100 {
					body := fmt.Sprint(n)
					d := []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 7 * time.Second}[r.IntN(4)]
					if s.delay(t.Context(), t, body, d) == nil {
						successes = append(successes, body)
					}
					_ = pause(t.Context(), time.Duration(r.IntN(3))*time.Second)
				}
				came := s.arrived(t)
				require.NotEmpty(t, successes)
				for _, body := range successes {
					require.Equal(t, 1, came[body], body)
				}
			})
		})
	}
}

func random(seed, stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream))
}

// timings are mostly quick, sometimes about as long as a lease, and fail now and then.
func timings(r *rand.Rand, failures float64) func() (time.Duration, time.Duration, error) {
	var mu sync.Mutex
	some := func() time.Duration {
		switch r.IntN(4) {
		case 0:
			return time.Duration(r.Int64N(int64(2 * time.Second)))
		case 1:
			return time.Duration(r.Int64N(int64(12 * time.Second)))
		}
		return time.Millisecond
	}
	return func() (time.Duration, time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		if r.Float64() < failures {
			return some(), time.Duration(r.IntN(2)), errAway
		}
		return some(), some(), nil
	}
}
