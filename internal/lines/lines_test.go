package lines_test

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/lines"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted are lines with their counts.
type counted[T any] struct {
	*lines.Lines[T]
	waiting atomic.Int64
	dropped atomic.Uint64
}

func newLines[T any](stale func(T) bool) *counted[T] {
	c := &counted[T]{}
	c.Lines = lines.New(&c.waiting, &c.dropped, stale)
	return c
}

func never[T any](T) bool { return false }

func (c *counted[T]) take(t *testing.T) T {
	t.Helper()
	item, ok := c.Take()
	require.True(t, ok)
	return item
}

func (c *counted[T]) nothing(t *testing.T) {
	t.Helper()
	_, ok := c.Take()
	require.False(t, ok)
}

func TestOneItemOfAKeyIsOutAtATime(t *testing.T) {
	t.Parallel()
	l := newLines(never[int])
	require.True(t, l.Enter("k", 1))
	require.False(t, l.Enter("k", 2))
	require.False(t, l.Enter("k", 3))
	require.True(t, l.Enter("other", 4))
	l.nothing(t)
	require.Equal(t, int64(2), l.waiting.Load())
	l.Leave("k")
	require.False(t, l.Enter("k", 5), "2 has the turn")
	require.Equal(t, 2, l.take(t))
	l.nothing(t)
	l.Leave("other")
	l.nothing(t)
	require.True(t, l.Enter("other", 6))
	for _, want := range []int{3, 5} {
		l.Leave("k")
		require.Equal(t, want, l.take(t))
	}
	l.Leave("k")
	require.True(t, l.Enter("k", 7))
	require.Zero(t, l.waiting.Load())
}

func TestTheEmptyKeyWaitsForNobody(t *testing.T) {
	t.Parallel()
	l := newLines(never[int])
	for range 3 {
		require.True(t, l.Enter("", 1))
	}
	l.Leave("")
	l.nothing(t)
}

// Each loss of a channel while a handler hung left a prefetch of messages behind.
func TestStaleItemsAreDroppedWhenOthersJoin(t *testing.T) {
	t.Parallel()
	l := newLines(func(n int) bool { return n < 10 })
	for n := range 12 {
		require.Equal(t, n == 0, l.Enter("k", n), n)
	}
	require.Equal(t, int64(2), l.waiting.Load())
	require.Equal(t, uint64(9), l.dropped.Load())
	l.Leave("k")
	require.Equal(t, 10, l.take(t))
}

// Lines of many keys are used at random, by many goroutines that enter one after the other.
func TestEachKeyKeepsItsOrder(t *testing.T) {
	t.Parallel()
	type item struct{ key, n int }
	const keys, each = 5, 400
	l := newLines(never[item])
	var (
		mu      sync.Mutex // to enter
		entered [keys]int
		out     [keys]atomic.Int64
		done    [keys][]int
		workers sync.WaitGroup
	)
	next := func() (item, bool) {
		if i, ok := l.Take(); ok {
			return i, true
		}
		mu.Lock()
		defer mu.Unlock()
		for range 2 * keys * each {
			k := rand.IntN(keys)
			if entered[k] == each {
				continue
			}
			i := item{k, entered[k]}
			entered[k]++
			if l.Enter(strconv.Itoa(k+1), i) {
				return i, true
			}
		}
		return item{}, false
	}
	for range 8 {
		workers.Go(func() {
			for i, ok := next(); ok; i, ok = next() {
				if out[i.key].Add(1) != 1 {
					t.Error("two of one key are out")
				}
				done[i.key] = append(done[i.key], i.n)
				out[i.key].Add(-1)
				l.Leave(strconv.Itoa(i.key + 1))
			}
		})
	}
	workers.Wait()
	require.Zero(t, l.waiting.Load())
	for k := range keys {
		require.Len(t, done[k], each)
		require.IsIncreasing(t, done[k])
	}
}

// A line that was never empty kept all items that had left it.
func TestALineKeepsNothingThatHasLeftIt(t *testing.T) { //nolint:paralleltest // it measures the whole process
	l := newLines(never[[]byte])
	before := heap()
	require.True(t, l.Enter("k", nil))
	for range 64 {
		require.False(t, l.Enter("k", make([]byte, 1<<20)))
	}
	require.False(t, l.Enter("k", nil))
	for range 64 {
		l.Leave("k")
		l.take(t)
	}
	require.Less(t, heap(), before+8<<20)
	l.Leave("k")
	require.Nil(t, l.take(t))
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A turn that comes at once.
func BenchmarkEnterAndLeave(b *testing.B) {
	l := newLines(never[int])
	b.ReportAllocs()
	for b.Loop() {
		l.Enter("k", 1)
		l.Leave("k")
	}
}
