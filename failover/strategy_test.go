package failover_test

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

// rounds connects to a network in which no node listens, and returns the nodes that each
// round tried.
func rounds(t *testing.T, n int, nodes string, opts ...failover.Option) [][]string {
	t.Helper()
	var a attempts
	_, err := failover.Dial(t.Context(), []string{"amqp://" + nodes}, append([]failover.Option{
		failover.NetDialer(a.dial), quiet(), failover.MaxRounds(n),
	}, opts...)...)
	require.ErrorIs(t, err, failover.ErrGaveUp)
	require.ErrorIs(t, err, amqpfake.ErrRefused)
	var all [][]string
	for i, address := range a.addresses {
		if i == 0 || a.times[i] != a.times[i-1] { // time passes between rounds only
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], strings.TrimSuffix(address, ":5672"))
	}
	require.Len(t, all, n)
	return all
}

// kombu: Connection('amqp://broker1;amqp://broker2', failover_strategy='round-robin').
func TestRoundRobinIsTheDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		want := slices.Repeat([][]string{{"a", "b", "c"}}, 4)
		require.Equal(t, want, rounds(t, 4, "a;b;c"))
		require.Equal(t, want, rounds(t, 4, "a;b;c", failover.InOrder(failover.RoundRobin())))
	})
}

// kombu: failover_strategy='shuffle'.
func TestShuffle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := rounds(t, 200, "a;b;c", failover.InOrder(failover.Shuffle()))
		orders := map[string]bool{}
		for i, round := range all {
			orders[strings.Join(round, "")] = true
			require.ElementsMatch(t, []string{"a", "b", "c"}, round)
			if i > 0 {
				require.NotEqual(t, all[i-1][2], round[0], "it has just failed")
			}
		}
		require.Len(t, orders, 6)
	})
}

// kombu takes a function for failover_strategy, whose iterator often never ends.
func TestAStrategyOfOnesOwn(t *testing.T) {
	t.Parallel()
	inOrder := func(nodes []failover.Endpoint) []failover.Endpoint {
		return slices.SortedFunc(slices.Values(nodes), func(a, b failover.Endpoint) int { return a.Number() - b.Number() })
	}
	rows := []struct {
		name  string
		order failover.Order
		want  string // of each of three rounds
	}{
		{"the first is preferred", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] { return slices.Values(inOrder(n)) }, "abc"},
		{"the last is preferred", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] {
			n = inOrder(n)
			slices.Reverse(n)
			return slices.Values(n)
		}, "cba"},
		{"only some", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] { return slices.Values(inOrder(n)[1:]) }, "bc"},
		{"one", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] { return slices.Values(inOrder(n)[2:]) }, "c"},
		{"the one that has just failed", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] {
			slices.Reverse(n)
			return slices.Values(n)
		}, "cba"},
		{"each twice", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] {
			return slices.Values(append(inOrder(n), inOrder(n)...))
		}, "abc"},
		{"for ever", cycle, "abc"},
		{"one for ever", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] { return cycle(inOrder(n)[:1]) }, "a"},
		{"nobody", func([]failover.Endpoint) iter.Seq[failover.Endpoint] { return slices.Values[[]failover.Endpoint](nil) }, "abc"},
		{"somebody else for ever", func([]failover.Endpoint) iter.Seq[failover.Endpoint] { return cycle(make([]failover.Endpoint, 1)) }, "abc"},
		{"nil", func([]failover.Endpoint) iter.Seq[failover.Endpoint] { return nil }, "abc"},
		{"a panic", func([]failover.Endpoint) iter.Seq[failover.Endpoint] { panic("out of nodes") }, "abc"},
		{"a late panic", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] {
			return func(yield func(failover.Endpoint) bool) {
				yield(n[1])
				panic("out of nodes")
			}
		}, "abc"},
		{"one that does not stop when told", func(n []failover.Endpoint) iter.Seq[failover.Endpoint] {
			return func(yield func(failover.Endpoint) bool) {
				for {
					yield(n[1])
				}
			}
		}, "abc"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, round := range rounds(t, 3, "a;b;c", failover.InOrder(row.order)) {
					require.Equal(t, row.want, strings.Join(round, ""))
				}
			})
		})
	}
}

func cycle(nodes []failover.Endpoint) iter.Seq[failover.Endpoint] {
	return func(yield func(failover.Endpoint) bool) {
		for {
			for _, n := range nodes {
				if !yield(n) {
					return
				}
			}
		}
	}
}

func TestAStrategyThatFailsIsLogged(t *testing.T) {
	t.Parallel()
	for text, fail := range map[string]func(){
		"out of nodes": func() { panic("out of nodes") }, "runtime.Goexit": runtime.Goexit,
	} {
		synctest.Test(t, func(t *testing.T) {
			var log lockedBuffer
			rounds(t, 1, "a;b",
				failover.InOrder(func([]failover.Endpoint) iter.Seq[failover.Endpoint] { fail(); return nil }),
				failover.Logger(slog.New(slog.NewTextHandler(&log, nil))))
			require.Contains(t, log.String(), "level=ERROR")
			require.Contains(t, log.String(), text)
		})
	}
}

// It ended the process, or left a connection that was never opened again.
func TestADialerThatPanicsOrExitsIsTheNodesError(t *testing.T) {
	t.Parallel()
	for text, fail := range map[string]func(){"boom": func() { panic("boom") }, "runtime.Goexit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			f, failures := &amqpfake.Network{}, 0
			c := dial(t, []string{"amqp://a"}, failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
				if len(f.Addresses()) == 1 && failures == 0 {
					failures++
					fail()
				}
				return f.Dial(ctx, network, address)
			}))
			s := session(t, c)
			s.Abort(nil)
			requireDone(t, s)
			unreachable := func() error {
				for state := range c.Watch(t.Context()) {
					if len(state.Unreachable) > 0 {
						return state.Unreachable[0]
					}
				}
				return nil
			}()
			require.ErrorContains(t, unreachable, text)
			session(t, c)
			closeNow(t, c)
		})
	}
}

// A session that was stable and is lost begins a new round, in which its node is the
// last, whatever the strategy prefers.
func TestTheNodeThatWasLostIsLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := func(nodes []failover.Endpoint) iter.Seq[failover.Endpoint] {
			return slices.Values(slices.SortedFunc(slices.Values(nodes), func(a, b failover.Endpoint) int { return a.Number() - b.Number() }))
		}
		f := &amqpfake.Network{Down: map[string]bool{"b:5672": true}}
		c := dialFake(t, f, "amqp://a;b;c", failover.InOrder(first))
		for range 2 {
			s := session(t, c)
			time.Sleep(time.Hour)
			f.Latest().Close()
			requireDone(t, s)
			session(t, c)
		}
		require.Equal(t, []string{"a:5672", "b:5672", "c:5672", "a:5672"}, f.Addresses())
		closeNow(t, c)
	})
}

func TestRoundRobinGoesOnAfterTheNodeThatWasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{"a:5672": true}}
		c := dialFake(t, f, "amqp://a;b;c")
		time.Sleep(time.Hour)
		f.Latest().Close()
		synctest.Wait()
		require.Equal(t, "c:5672", session(t, c).Node())
		require.Equal(t, []string{"a:5672", "b:5672", "c:5672"}, f.Addresses())
		closeNow(t, c)
	})
}

func TestAStrategyIsAskedForNoMoreThanEachNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		values := 0
		rounds(t, 1, "a;b;c", failover.InOrder(func(nodes []failover.Endpoint) iter.Seq[failover.Endpoint] {
			return func(yield func(failover.Endpoint) bool) {
				cycle(nodes)(func(e failover.Endpoint) bool {
					values++
					return yield(e)
				})
			}
		}))
		require.Equal(t, 3, values)
	})
}
