package consumer_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
)

// fate is how a message should end.
type fate struct {
	*processortest.Message
	key   string
	takes time.Duration
	away  bool         // an outer layer releases it
	end   func() error // of the handler

	begun, left bool // guarded by fates.mu
}

// fates are messages whose bodies are their places.
type fates struct {
	t   *testing.T
	all []*fate

	mu sync.Mutex
}

func (f *fates) of(msg processor.Message) *fate {
	i, err := strconv.Atoi(string(msg.Body()))
	require.NoError(f.t, err)
	return f.all[i]
}

func (f *fates) queue() *queue {
	q := newQueue()
	for i, one := range f.all {
		one.Message = processortest.NewMessage(processortest.Body(strconv.Itoa(i)))
		q.messages <- one.Message
	}
	return q
}

func (f *fates) pipeline() (*helm, *stack.Pipeline) {
	h := &helm{}
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		h.Processor = next
		return h
	}, ack.New(), f.outer, recovery.New(recovery.Logger(slogDiscard()))).ThenFunc(f.handle)
	require.NoError(f.t, err)
	return h, p
}

func (f *fates) outer(next processor.Processor) processor.Processor {
	return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
		one := f.of(msg)
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			one.left = true
		}()
		f.begin(one)
		if one.away {
			return processor.Release(errMail)
		}
		return next.Process(ctx, msg)
	})
}

func (f *fates) handle(_ context.Context, msg processor.Message) error {
	one := f.of(msg)
	time.Sleep(one.takes)
	return one.end()
}

// begin checks that all earlier messages with the key have begun and are settled, and that no later
// one has begun.
func (f *fates) begin(one *fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one.begun = true
	if one.key == "" {
		return
	}
	earlier := true
	for _, other := range f.all {
		switch {
		case other == one:
			earlier = false
		case other.key != one.key:
		case earlier && (!other.left || !other.Settled()):
			f.t.Error("it began while an earlier message of its key was in flight, or before it")
		case !earlier && other.begun:
			f.t.Error("a later message of its key began first")
		}
	}
}

func randomFates(t *testing.T, r *rand.Rand) *fates {
	t.Helper()
	ends := []func() error{
		func() error { return nil },
		func() error { return errMail },
		func() error { return processor.Requeue(errMail) },
		func() error { panic("boom") },
		func() error { runtime.Goexit(); return nil },
	}
	keys := []string{"", "a", "b", "c", "d", "e", "f"}[:1+r.IntN(7)]
	f := &fates{t: t, all: make([]*fate, 20+r.IntN(80))}
	for i := range f.all {
		f.all[i] = &fate{
			key: keys[r.IntN(len(keys))], takes: time.Duration(r.IntN(10)) * time.Millisecond,
			away: r.IntN(10) == 0, end: ends[r.IntN(len(ends))],
		}
	}
	return f
}

// Whatever handlers do, and whenever the run is paused or ended, each key keeps its order, and
// every received message is processed or requeued.
func TestRandomMessagesKeepTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	for range 10 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			f := randomFates(t, r)
			h, p := f.pipeline()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := must.Have(consumer.New(f.queue(), p, consumer.OrderBy(func(msg processor.Message) string { return f.of(msg).key }),
				consumer.Workers(1+r.IntN(16)), quiet()))
			result := make(chan error, 1)
			go func() { result <- c.Run(ctx) }()
			synctest.Wait()
			for range r.IntN(4) {
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
				resume := h.run.Pause()
				time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
				resume()
			}
			whole := r.IntN(2) == 0
			if whole {
				time.Sleep(time.Hour)
			}
			cancel()
			require.NoError(t, <-result)
			received := 0
			for _, one := range f.all {
				if one.begun || whole {
					require.True(t, one.left)
					require.True(t, one.Settled())
				}
				if one.Settled() {
					received++
				}
			}
			s := c.Stats()
			require.Equal(t, uint64(received), s.Received)
			require.Zero(t, s.Waiting)
			require.Zero(t, s.InFlight)
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

// Real goroutines on real cores, for the race detector.
func TestManyWorkersKeepTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	f := &fates{t: t, all: make([]*fate, 1000)}
	for i := range f.all {
		f.all[i] = &fate{key: string(rune('a' + i%7)), end: func() error { return nil }}
	}
	_, p := f.pipeline()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done sync.WaitGroup
	done.Add(len(f.all))
	for _, one := range f.all {
		one.end = func() error { done.Done(); return nil }
	}
	c := must.Have(consumer.New(f.queue(), p, consumer.OrderBy(func(msg processor.Message) string { return f.of(msg).key }),
		consumer.Workers(16), consumer.Prefetch(100), quiet()))
	result := make(chan error, 1)
	go func() { result <- c.Run(ctx) }()
	done.Wait()
	cancel()
	require.NoError(t, <-result)
	require.Equal(t, uint64(len(f.all)), c.Stats().Done)
}
