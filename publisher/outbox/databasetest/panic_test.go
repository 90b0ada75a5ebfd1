package databasetest_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/outbox"
)

// What a publisher does that has a fault ended the process, with all other messages of the outbox, and again after its restart.
func TestAPublisherThatPanicsFailsItsMessage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(){"panics": func() { panic("nil map") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, d *database) {
				s := newSink()
				s.answer = func(_ processor.Destination, e processor.Envelope) error {
					if string(e.Body) == "poison" {
						fault()
					}
					return nil
				}
				d.write(t, must.Have(outbox.New(d.dialect)), letters, "1", "poison", "2", "3")
				d.relay(t, s, outbox.Poll(20*time.Millisecond))
				got := map[string]bool{}
				for len(got) < 3 {
					got[s.next(t)] = true // one before the poison comes again: nobody knows what became of it
				}
				require.Equal(t, map[string]bool{"1": true, "2": true, "3": true}, got)
				require.Eventually(t, func() bool {
					return d.count(t, "warren_outbox") == 1 && d.count(t, "warren_outbox WHERE state = 1 AND error LIKE '%may be stored or not%'") == 1
				}, 10*time.Second, 10*time.Millisecond)
			})
		})
	}
}

// listens is a listener that panics at first.
type listens struct{ calls atomic.Int64 }

func (l *listens) Wait(ctx context.Context) error {
	if l.calls.Add(1) == 1 {
		panic("nil map")
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestAListenerThatPanicsIsAskedAgain(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["sqlite"])
	l := &listens{}
	_, end := d.relay(t, &processortest.Publisher{}, outbox.Listen(l))
	require.Eventually(t, func() bool { return l.calls.Load() == 2 }, 10*time.Second, 10*time.Millisecond)
	end()
}
