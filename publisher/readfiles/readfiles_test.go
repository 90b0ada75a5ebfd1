package readfiles_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

func TestAFileIsPublishedAndThenMoved(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "bill.xml")
	changed := must.Have(os.Stat(d.path("new/bill.xml"))).ModTime()
	var p recorder
	p.failWith(func(processor.Envelope) error {
		require.Equal(t, []string{"bill.xml"}, d.list(t, "new"), "it is moved after the confirm")
		return nil
	})
	var events []readfiles.Event
	r := d.read(t, &p, fast(readfiles.ContentType("text/xml"), readfiles.OnFile(func(e readfiles.Event) { events = append(events, e) }))...)
	eventually(t, func() bool { return r.Stats().Published == 1 })
	r.stop()
	sent := p.all()
	require.Len(t, sent, 1)
	require.Equal(t, processor.Envelope{
		Body: []byte("bill.xml"), Headers: processor.Headers{"X-Filename": "bill.xml"},
		Properties: processor.Properties{ID: sent[0].ID, ContentType: "text/xml", Timestamp: changed.UTC().Truncate(time.Second)},
	}, sent[0])
	require.Regexp(t, `^<[A-Z2-7]{32}@readfiles>$`, sent[0].ID)
	require.Empty(t, d.list(t, "new"))
	require.Equal(t, "bill.xml", d.content(t, "cur/bill.xml"))
	require.Len(t, events, 1)
	require.Positive(t, events[0].Took)
	events[0].Took = 0
	require.Equal(t, readfiles.Event{Name: "bill.xml", Result: readfiles.Published, ID: sent[0].ID, Bytes: 8}, events[0])
	require.Equal(t, readfiles.Stats{Published: 1, Bytes: 8}, r.Stats())
}

func TestWrongOptionsSayWhatToChange(t *testing.T) {
	t.Parallel()
	var p recorder
	for text, opts := range map[string][]readfiles.Option{
		"option 1 is nil":            {nil},
		"readfiles: Poll":            {readfiles.Poll(0)},
		"readfiles: Settle":          {readfiles.Settle(-1)},
		"readfiles: DrainTimeout":    {readfiles.DrainTimeout(-1)},
		"InFlight is 0":              {readfiles.InFlight(0)},
		"MaxSize is 0":               {readfiles.MaxSize(0)},
		"Tries is 0":                 {readfiles.Tries(0)},
		"ContentType has 1000 bytes": {readfiles.ContentType(strings.Repeat("x", 1000))},
	} {
		_, err := readfiles.New(t.TempDir(), &p, to, opts...)
		require.ErrorContains(t, err, text)
	}
	_, err := readfiles.New("", nil, processor.Destination{})
	require.ErrorContains(t, err, "the directory is empty")
	require.ErrorContains(t, err, "the publisher is nil")
	require.ErrorContains(t, err, "there is no destination")

	absent := must.Have(readfiles.New(t.TempDir()+"/absent", &p, to))
	require.ErrorIs(t, absent.Run(t.Context()), os.ErrNotExist)
}

func TestAReaderRunsAgain(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	var p recorder
	r := must.Have(readfiles.New(string(d), &p, to, fast()...))
	for i := range 2 {
		d.put(t, fmt.Sprint(i))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		eventually(t, func() bool { return len(p.all()) == i+1 })
		cancel()
		require.NoError(t, <-done)
	}
}

func TestThePollIsNotNeededWhereSomethingWakesTheReader(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	var p recorder
	wake := make(chan struct{})
	r := d.read(t, &p, readfiles.Settle(0), readfiles.Poll(time.Hour), readfiles.WakeOn(wake))
	for i := range 3 {
		d.put(t, fmt.Sprint(i))
		wake <- struct{}{}
		eventually(t, func() bool { return r.Stats().Published == uint64(i+1) })
	}
	close(wake) // is no busy loop: what comes now waits for the poll
	d.put(t, "late")
	r.stop()
	require.Len(t, p.all(), 3)
}

func TestItPollsEverySecond(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		r := d.read(t, &p, readfiles.Settle(0))
		synctest.Wait()
		d.put(t, "1")
		time.Sleep(999 * time.Millisecond)
		require.Empty(t, p.all())
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Len(t, p.all(), 1)
		r.stop()
	})
}

// slow is a publisher whose confirms take a second.
type slow struct {
	recorder
	now, most, bytes, mostBytes atomic.Int64
}

func (s *slow) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	n, bytes := s.now.Add(1), s.bytes.Add(int64(len(e.Body)))
	defer s.now.Add(-1)
	defer s.bytes.Add(-int64(len(e.Body)))
	s.most.Store(max(s.most.Load(), n))
	s.mostBytes.Store(max(s.mostBytes.Load(), bytes))
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", processor.ErrIndeterminate, ctx.Err())
	}
	return s.recorder.Publish(ctx, to, e)
}

func TestSeveralFilesAreInFlightAndNoMoreThanAllowed(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	for i := range 25 {
		d.put(t, fmt.Sprint(i))
	}
	synctest.Test(t, func(t *testing.T) {
		var p slow
		r := d.read(t, &p, readfiles.InFlight(10), readfiles.Settle(0))
		start := time.Now()
		for r.Stats().Published < 25 {
			time.Sleep(100 * time.Millisecond)
		}
		require.Less(t, time.Since(start), 4*time.Second)
		require.Equal(t, int64(10), p.most.Load())
		r.stop()
	})
}

func TestFilesInFlightHaveALimitedSize(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	for i := range 6 {
		d.putContent(t, fmt.Sprint(i), strings.Repeat("x", 30<<20))
	}
	d.putContent(t, "huge", strings.Repeat("x", 70<<20))
	synctest.Test(t, func(t *testing.T) {
		var p slow
		r := d.read(t, &p, readfiles.MaxSize(100<<20))
		for r.Stats().Published < 7 {
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, int64(70<<20), p.mostBytes.Load(), "one that is larger than all may be is alone")
		r.stop()
	})
}

func TestFilesInFlightAreMovedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1", "2")
	synctest.Test(t, func(t *testing.T) {
		var p slow
		r := d.read(t, &p, readfiles.Settle(0))
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, int64(2), r.Stats().InFlight)
		r.stop()
		require.Len(t, d.list(t, "cur"), 2)
	})
}

func TestAConfirmThatDoesNotComeKeepsNoReaderFromItsEnd(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1")
	synctest.Test(t, func(t *testing.T) {
		hangs := processor.PublisherFunc(func(ctx context.Context, _ processor.Destination, _ processor.Envelope) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", processor.ErrIndeterminate, ctx.Err())
		})
		r := d.read(t, hangs)
		time.Sleep(time.Hour)
		start := time.Now()
		r.stop()
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, []string{"1"}, d.list(t, "new"))
	})
}

func TestAPublisherThatNeverReturnsKeepsNoReaderFromItsEnd(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1", "2")
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		deaf := processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
			<-goOn
			return nil
		})
		r := must.Have(readfiles.New(string(d), deaf, to))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(time.Hour)
		cancel()
		start := time.Now()
		err := <-done
		require.Equal(t, 6*time.Second, time.Since(start))
		require.ErrorIs(t, err, readfiles.ErrAbandoned)
		require.ErrorContains(t, err, "2 files")
		require.Zero(t, r.Stats().InFlight)
		close(goOn)
		synctest.Wait()
		require.Equal(t, []string{"1", "2"}, d.list(t, "new"), "the next reader publishes them")
	})
	var p recorder
	r := d.read(t, &p, fast()...)
	eventually(t, func() bool { return r.Stats().Published == 2 }) // their locks are gone
}

func TestHeadersFilesInFlightHaveALimitedSize(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	for i := range 20 {
		d.putContent(t, fmt.Sprint(i, headersfile.Suffix), `{"warren":1,"message":{}}`+strings.Repeat(" ", 1<<20-100))
		d.put(t, fmt.Sprint(i))
	}
	synctest.Test(t, func(t *testing.T) {
		var p slow
		r := d.read(t, &p)
		for r.Stats().Published < 20 {
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, int64(4), p.most.Load())
		r.stop()
	})
}

func TestAPublisherThatIsClosedEndsTheReader(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1")
	b := memory.New()
	require.NoError(t, b.Close(t.Context()))
	require.ErrorIs(t, must.Have(readfiles.New(string(d), b.Publisher(), to, fast()...)).Run(t.Context()), processor.ErrClosed)
	require.Equal(t, []string{"1"}, d.list(t, "new"))
}

// What else is in flight is told so, before it is abandoned.
func TestAPublisherThatIsClosedEndsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1", "2")
	synctest.Test(t, func(t *testing.T) {
		p := processor.PublisherFunc(func(ctx context.Context, _ processor.Destination, e processor.Envelope) error {
			if string(e.Body) == "2" {
				return processor.ErrClosed
			}
			<-ctx.Done()
			return fmt.Errorf("%w: %w", processor.ErrIndeterminate, ctx.Err())
		})
		err := must.Have(readfiles.New(string(d), p, to, readfiles.Settle(0))).Run(t.Context())
		require.ErrorIs(t, err, processor.ErrClosed)
		require.NotErrorIs(t, err, readfiles.ErrAbandoned)
	})
}

func TestFunctionsThatPanicHarmNobody(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1", "2", "3")
	var p recorder
	var panics atomic.Int64
	p.failWith(func(processor.Envelope) error {
		switch panics.Add(1) {
		case 1:
			panic("publisher")
		case 2:
			runtime.Goexit()
		}
		return nil
	})
	r := d.read(t, &p, fast(readfiles.OnFile(func(readfiles.Event) { panic("callback") }))...)
	eventually(t, func() bool { return r.Stats().Published == 3 })
}

// The directory is read in pieces. Its files are links of one.
func TestMemoryDoesNotGrowWithTheDirectory(t *testing.T) {
	d := newMaildir(t)
	d.put(t, "first")
	const files = 30_000
	for i := range files {
		require.NoError(t, os.Link(d.path("new/first"), d.path("new", fmt.Sprint("a-name-that-takes-some-memory-", i))))
	}
	heap := func() uint64 {
		var stats runtime.MemStats
		for range 3 { // files have finalizers
			runtime.GC()
		}
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	var p recorder
	wake := make(chan struct{})
	r := d.read(t, &p, readfiles.Settle(time.Hour), readfiles.Poll(time.Hour), readfiles.WakeOn(wake))
	after := uint64(math.MaxUint64)
	for range 3 { // in the middle of a piece there is more
		wake <- struct{}{} // it has passed all over once,
		wake <- struct{}{} // and again
		after = min(after, heap())
	}
	r.stop()
	require.Less(t, after, before+files*40, "less than the names alone have, with 50 bytes each")
	require.Len(t, d.list(t, "new"), files+1)
}
