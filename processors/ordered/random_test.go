package ordered_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ordered"
)

// errAway is the answer of a layer outside, which keeps a message from the ordered one.
var errAway = processor.Release(errMail)

// fate is what is to happen to a message. It is the body's other half: the message is a
// type of its own.
type fate struct {
	*processortest.Message
	key     string
	takes   time.Duration // of the handler
	patient time.Duration // until its own context ends
	away    bool          // an outer layer keeps it
	end     func() error  // of the handler

	begun, left bool // guarded by world.mu
}

func fateOf(msg processor.Message) *fate {
	f, _ := msg.(*fate)
	return f
}

// world runs messages as a consumer does, and looks at every one that begins.
type world struct {
	t        *testing.T
	pipeline *stack.Pipeline
	layer    processor.Processor
	admitter stack.Admitter
	workers  sync.WaitGroup
	released atomic.Int64

	turn sync.Mutex // to receive
	next int
	all  []*fate

	mu      sync.Mutex
	running int
	most    int
}

func newWorld(t *testing.T, all []*fate) *world {
	t.Helper()
	w := &world{t: t, all: all}
	var err error
	w.pipeline, err = stack.New(w.outer, func(next processor.Processor) processor.Processor {
		w.layer = ordered.New(func(msg processor.Message) string { return fateOf(msg).key })(next)
		return w.layer
	}).ThenFunc(w.handle)
	require.NoError(t, err)
	w.admitter = stack.Admitters(w.pipeline)[0]
	return w
}

func (w *world) outer(next processor.Processor) processor.Processor {
	return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
		if fateOf(msg).away {
			return errAway
		}
		return next.Process(ctx, msg)
	})
}

// work is a worker: it takes turns at receiving and admitting.
func (w *world) work() {
	for {
		w.turn.Lock()
		if w.next == len(w.all) {
			w.turn.Unlock()
			return
		}
		f := w.all[w.next]
		w.next++
		ctx, left := w.admitter.Admit(w.t.Context(), f)
		w.turn.Unlock()
		w.process(ctx, f, left)
	}
}

// process settles the message in its way, and survives what a handler does.
func (w *world) process(ctx context.Context, f *fate, left func()) {
	returned := false
	defer func() {
		if recover() == nil && !returned {
			w.workers.Go(w.work) // in place of the worker that Goexit ends
		}
		w.mu.Lock()
		f.left = true
		w.mu.Unlock()
		left()
	}()
	ctx, cancel := context.WithTimeout(ctx, f.patient)
	defer cancel()
	if processor.Decide(w.pipeline.Process(ctx, f)).Action == processor.Released {
		w.released.Add(1)
	}
	time.Sleep(f.takes / 2) // to settle
	returned = true
}

func (w *world) handle(_ context.Context, msg processor.Message) error {
	f := fateOf(msg)
	w.begin(f)
	time.Sleep(f.takes)
	w.mu.Lock()
	w.running--
	w.mu.Unlock()
	return f.end()
}

// begin checks that nothing of the key is in hand that was handed out earlier, and that
// nothing later has begun.
func (w *world) begin(f *fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.begun = true
	w.running++
	w.most = max(w.most, w.running)
	if f.key == "" {
		return
	}
	earlier := true
	for _, other := range w.all {
		switch {
		case other == f:
			earlier = false
		case other.key != f.key:
		case earlier && !other.left:
			w.t.Error("it began while an earlier message of its key was in hand")
		case !earlier && other.begun:
			w.t.Error("a later message of its key began first")
		}
	}
}

func randomFates(r *rand.Rand) []*fate {
	ends := []func() error{
		func() error { return nil },
		func() error { return errMail },
		func() error { return processor.Requeue(errMail) },
		func() error { panic("boom") },
		func() error { runtime.Goexit(); return nil },
	}
	keys := []string{"", "a", "b", "c", "d", "e", "f"}[:1+r.IntN(7)]
	all := make([]*fate, 20+r.IntN(80))
	for i := range all {
		all[i] = &fate{
			Message: processortest.NewMessage(), key: keys[r.IntN(len(keys))], takes: time.Duration(r.IntN(10)) * time.Millisecond,
			patient: time.Hour, away: r.IntN(10) == 0, end: ends[r.IntN(len(ends))],
		}
		if r.IntN(4) == 0 {
			all[i].patient = time.Duration(r.IntN(20)) * time.Millisecond
		}
	}
	return all
}

// Whatever handlers do, and wherever a message is cut short, each key has its order, and
// every message gets through.
func TestRandomMessagesKeepTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	for range 10 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t, randomFates(r))
			for range 1 + r.IntN(16) {
				w.workers.Go(w.work)
			}
			w.workers.Wait() // in a bubble, a deadlock is a panic
			var begun int64
			for _, f := range w.all {
				require.True(t, f.left)
				if f.begun {
					begun++
				}
			}
			require.Equal(t, int64(len(w.all)), begun+w.released.Load(), "each is processed or given back")
			require.Zero(t, ordered.Lines(w.layer))
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

func TestKeysRunInParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all []*fate
		for _, key := range []string{"a", "a", "b", "b", "c", "c", "d", "d"} {
			all = append(all, &fate{
				Message: processortest.NewMessage(), key: key, takes: time.Second, patient: time.Hour,
				end: func() error { return nil },
			})
		}
		w := newWorld(t, all)
		start := time.Now()
		for range len(all) {
			w.workers.Go(w.work)
		}
		w.workers.Wait()
		require.Equal(t, 4, w.most)
		require.Equal(t, 3*time.Second, time.Since(start), "two of each key, and half a second each to settle")
	})
}

// Real goroutines on real cores, for the race detector.
func TestManyWorkersWithoutABubble(t *testing.T) {
	t.Parallel()
	all := make([]*fate, 2000)
	for i := range all {
		all[i] = &fate{
			Message: processortest.NewMessage(), key: string(rune('a' + i%7)), patient: time.Hour, end: func() error { return nil },
		}
	}
	w := newWorld(t, all)
	for range 16 {
		w.workers.Go(w.work)
	}
	w.workers.Wait()
	require.Zero(t, w.released.Load())
	require.Zero(t, ordered.Lines(w.layer))
}
