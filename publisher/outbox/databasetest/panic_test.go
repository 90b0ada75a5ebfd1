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

// cursed is the error of a nil pointer, whose methods panic.
type cursed struct{ text string }

func (c *cursed) Error() string { return c.text }

func (c *cursed) Is(error) bool { return c.text == "" }

// knot is an error that wraps itself.
type knot struct{}

func (knot) Error() string { return "knot" }

func (k knot) Unwrap() error { return k }

// faulty is a publisher with an error for the poison.
type faulty struct {
	*sink

	fault error
}

func (f *faulty) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	errs := make([]error, len(batch))
	for i, e := range batch {
		if errs[i] = f.fault; string(e.Body) != "poison" {
			errs[i] = f.Publish(ctx, to, e)
		}
	}
	return errs
}

func TestAnErrorThatPanicsFailsItsMessage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"panics": (*cursed)(nil), "wraps itself": knot{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, d *database) {
				s := newSink()
				d.write(t, must.Have(outbox.New(d.dialect)), letters, "1", "poison", "2", "3")
				d.relay(t, &faulty{s, fault}, outbox.Poll(20*time.Millisecond))
				require.ElementsMatch(t, []string{"1", "2", "3"}, s.take(t, 3))
				require.Eventually(t, func() bool { return d.count(t, "warren_outbox WHERE state = 1") == 1 }, 10*time.Second, 10*time.Millisecond)
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
