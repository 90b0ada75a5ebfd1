package readfiles_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

// failing returns a fault for one body.
func failing(body string, err error) func(processor.Envelope) error {
	return func(e processor.Envelope) error {
		if string(e.Body) == body {
			return err
		}
		return nil
	}
}

func TestWhatIsNoFaultOfTheFileIsTriedUntilItWorks(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		processor.ErrUnroutable, processor.ErrBlocked, processor.ErrIndeterminate, errors.New("unknown"),
		fmt.Errorf("%w: %w", processor.ErrForbidden, processor.ErrIndeterminate),
		processor.ErrRefused, processor.ErrForbidden, // of all files
	} {
		d := newMaildir(t)
		for i := range 100 {
			d.put(t, fmt.Sprint(i))
		}
		synctest.Test(t, func(t *testing.T) {
			var p recorder
			p.failWith(func(processor.Envelope) error { return err })
			r := d.read(t, &p)
			time.Sleep(time.Hour)
			require.Empty(t, p.all())
			require.Len(t, d.list(t, "new"), 100)
			require.Zero(t, r.Stats().SetAside, err)
			require.Less(t, r.Stats().Retried, uint64(64+3600/2), "one at a time, with pauses")
			require.Greater(t, r.Stats().Retried, uint64(3600/5))
			p.failWith(nil)
			time.Sleep(2 * time.Minute)
			require.Len(t, p.bodies(), 100)
			r.stop()
		})
	}
}

func TestAFileThatFailsByItselfIsSetAside(t *testing.T) {
	t.Parallel()
	for err, tries := range map[error]int{
		processor.ErrTooLarge: 1, processor.ErrHeaderType: 1, processor.ErrForbidden: 8,
	} {
		d := newMaildir(t)
		synctest.Test(t, func(t *testing.T) {
			var p recorder
			p.failWith(failing("bad", err))
			d.put(t, "bad")
			var last readfiles.Event
			r := d.read(t, &p, readfiles.OnFile(func(e readfiles.Event) {
				if e.Name == "bad" {
					last = e
				}
			}))
			for i := 0; r.Stats().SetAside == 0; i++ {
				require.Less(t, i, 1000)
				d.put(t, fmt.Sprint(i)) // others are published
				time.Sleep(time.Second)
			}
			require.GreaterOrEqual(t, p.tried("bad"), tries)
			require.LessOrEqual(t, p.tried("bad"), tries+1, "others may not have been published between two of them")
			r.stop()
			require.Equal(t, []string{"bad", "bad.why.txt"}, d.list(t, "failed"))
			require.Equal(t, "bad", d.content(t, "failed/bad"))
			require.Contains(t, d.content(t, "failed/bad.why.txt"), err.Error())
			require.Contains(t, d.content(t, "failed/bad.why.txt"), fmt.Sprintf("tries: %d\n", tries))
			require.Equal(t, readfiles.SetAside, last.Result)
			require.ErrorIs(t, last.Err, err)
		})
	}
}

// A queue with a maximum length that rejects what is published refuses some, and takes others as soon as it has room.
func TestAQueueThatIsFullSetsNoFileAside(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	const files = 60
	for i := range files {
		d.put(t, fmt.Sprint(i))
	}
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		began := time.Now()
		p.failWith(func(processor.Envelope) error {
			if len(p.sent) > int(time.Since(began)/(20*time.Second)) { // one is consumed every 20 seconds
				return processor.ErrRefused
			}
			return nil
		})
		r := d.read(t, &p)
		time.Sleep(2 * time.Hour)
		require.Zero(t, r.Stats().SetAside)
		require.Len(t, p.bodies(), files)
		r.stop()
	})
}

func TestWhatNoQueueTakesHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	for i := range 20 {
		d.put(t, fmt.Sprint("bad", i), fmt.Sprint("good", i))
	}
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		p.failWith(func(e processor.Envelope) error {
			if strings.HasPrefix(string(e.Body), "bad") {
				return processor.ErrUnroutable
			}
			return nil
		})
		r := d.read(t, &p, readfiles.InFlight(1))
		time.Sleep(2 * time.Minute)
		require.Len(t, p.all(), 20)
		time.Sleep(time.Hour)
		require.Zero(t, r.Stats().SetAside)
		r.stop()
	})
}

func TestWithoutALimitOfTriesNothingIsSetAside(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "bad"+headersfile.Suffix, "bad") // no headers file
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		r := d.read(t, &p, readfiles.Tries(processor.NoLimit))
		time.Sleep(time.Hour)
		require.Empty(t, d.list(t, "failed"))
		r.stop()
	})
}

func TestAFileThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.putContent(t, "large", strings.Repeat("x", 1001))
	d.putContent(t, "fits", strings.Repeat("x", 1000))
	var p recorder
	r := d.read(t, &p, fast(readfiles.MaxSize(1000))...)
	eventually(t, func() bool { s := r.Stats(); return s.SetAside == 1 && s.Published == 1 })
	require.Contains(t, d.content(t, "failed/large.why.txt"), "it has 1001 bytes, and the limit is 1000")
	require.Equal(t, []string{"fits"}, d.list(t, "cur"))
}

func TestAHeadersFileThatIsNoneIsSetAsideWithItsBody(t *testing.T) {
	t.Parallel()
	other := must.Have(headersfile.Write(processor.Destination{}, processor.Envelope{Body: []byte("other")}))
	for content, why := range map[string]string{
		"a stranger's": "no JSON", "{}": "no headers file of this version", `{"warren": 2, "message": {}}`: "no headers file of this version",
		string(other): "it belongs to another body: one of 5 bytes", `{"warren": 1, "message": {"id": 1}}`: "cannot be used",
		strings.Repeat("x", headersfile.MaxSize+1): "the limit is",
	} {
		d := newMaildir(t)
		d.putContent(t, "a"+headersfile.Suffix, content)
		d.put(t, "a")
		synctest.Test(t, func(t *testing.T) {
			var p recorder
			r := d.read(t, &p)
			time.Sleep(5 * time.Minute)
			require.Equal(t, uint64(1), r.Stats().SetAside, why)
			r.stop()
			require.Empty(t, p.all())
			require.Equal(t, []string{"a", "a" + headersfile.Suffix, "a.why.txt"}, d.list(t, "failed"))
			require.Contains(t, d.content(t, "failed/a.why.txt"), why)
			require.Equal(t, content, d.content(t, "failed/a"+headersfile.Suffix))
		})
	}
}

func TestNothingInCurAndFailedIsReplaced(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	var p recorder
	long := strings.Repeat("é", 120) + ".a name that is long"[:15] // 255 bytes
	require.Len(t, long, 255)
	r := d.read(t, &p, fast(readfiles.MaxSize(10))...)
	for i := range 3 {
		for _, name := range []string{"a.txt", ".hidden", "b", long} {
			if name == ".hidden" {
				continue
			}
			d.putContent(t, name, fmt.Sprint(i))
			eventually(t, func() bool { return len(d.list(t, "new")) == 0 })
			d.putContent(t, name, "more than ten bytes")
			eventually(t, func() bool { return len(d.list(t, "new")) == 0 })
		}
	}
	r.stop()
	require.Len(t, d.list(t, "cur"), 9)
	contents := map[string]int{}
	for _, name := range d.list(t, "cur") {
		contents[d.content(t, "cur", name)]++
	}
	require.Equal(t, map[string]int{"0": 3, "1": 3, "2": 3}, contents)
	require.Len(t, d.list(t, "failed"), 18)
}

// Published and not moved is not published again: it is only moved.
func TestAFileThatCannotBeMovedIsPublishedOnce(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1")
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		p.failWith(func(processor.Envelope) error {
			require.NoError(t, os.Remove(d.path("cur")))
			return nil
		})
		r := d.read(t, &p)
		time.Sleep(10 * time.Minute)
		require.Len(t, p.all(), 1)
		require.Positive(t, r.Stats().Retried)
		require.NoError(t, os.Mkdir(d.path("cur"), 0o700))
		time.Sleep(2 * time.Minute)
		r.stop()
		require.Len(t, p.all(), 1)
		require.Equal(t, []string{"1"}, d.list(t, "cur"))
	})
}

func TestADirectoryThatGoesAndComesIsReadAgain(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		r := d.read(t, &p)
		synctest.Wait()
		require.NoError(t, os.RemoveAll(string(d)))
		time.Sleep(time.Minute)
		require.NoError(t, os.MkdirAll(d.path("new"), 0o700))
		d.put(t, "1")
		time.Sleep(time.Minute)
		require.Len(t, p.all(), 1)
		r.stop()
	})
}

// With another file system mounted there, it is the same.
func TestADirectoryThatIsReplacedIsReadInstead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".", "new"} {
		d := newMaildir(t)
		synctest.Test(t, func(t *testing.T) {
			var p slow
			r := d.read(t, &p, readfiles.Settle(0))
			synctest.Wait()
			d.put(t, "1")
			time.Sleep(1500 * time.Millisecond) // it is in flight
			old := strings.TrimSuffix(d.path(name), "/") + ".old"
			require.NoError(t, os.Rename(d.path(name), old))
			require.NoError(t, os.MkdirAll(d.path("new"), 0o700))
			d.put(t, "2")
			time.Sleep(time.Minute)
			r.stop()
			require.Equal(t, map[string]int{"1": 1, "2": 1}, p.bodies(), name)
			require.Equal(t, []string{"2"}, d.list(t, "cur"))
			require.NoError(t, os.RemoveAll(old))
		})
	}
}

// Else all files would be published at each start, and none moved.
func TestNothingIsPublishedThatCannotBeMoved(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1")
	elsewhere := t.TempDir()
	for name, cur := range map[string]func() error{
		"link":         func() error { return os.Symlink(elsewhere, d.path("cur")) },
		"dangling":     func() error { return os.Symlink("missing", d.path("cur")) },
		"regular file": func() error { return os.WriteFile(d.path("cur"), nil, 0o600) },
	} {
		require.NoError(t, cur())
		var p recorder
		err := must.Have(readfiles.New(string(d), &p, to, fast()...)).Run(t.Context())
		require.ErrorContains(t, err, "cannot be moved from new to cur", name)
		require.Empty(t, p.all())
		require.NoError(t, os.Remove(d.path("cur")))
		require.Equal(t, []string{"1"}, d.list(t, "new"))
		require.Equal(t, []string{"new"}, d.list(t, "."))
	}
}

func TestAFileThatIsTakenAwayWhileItIsPublishedIsPublished(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1")
	var p recorder
	p.failWith(func(processor.Envelope) error { return os.Remove(d.path("new/1")) })
	r := d.read(t, &p, fast()...)
	eventually(t, func() bool { return r.Stats().Published == 1 })
	r.stop()
	require.Equal(t, readfiles.Stats{Published: 1, Bytes: 1}, r.Stats())
}

// There are more than are remembered. Those were tried at each look, and the log was told each time.
func TestAFloodOfFilesThatFailEndsAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	const flood, remembered = 120, 100
	d := newMaildir(t)
	for i := range flood {
		d.put(t, fmt.Sprint("bad ", i, headersfile.Suffix), fmt.Sprint("bad ", i)) // no headers file
	}
	d.put(t, "good")
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		var log bytes.Buffer
		r := d.read(t, &p, readfiles.Settle(0), readfiles.Poll(10*time.Millisecond), readfiles.Remember(remembered),
			readfiles.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		time.Sleep(10 * time.Second)
		require.Len(t, p.all(), 1)
		time.Sleep(20 * time.Second)
		require.Less(t, r.Stats().Retried, uint64(remembered*6+30*20+64), "those that find no room have a common pace")
		for minutes := 0; r.Stats().SetAside < flood; minutes++ {
			require.Less(t, minutes, 15)
			time.Sleep(time.Minute)
		}
		r.stop()
		require.Len(t, d.list(t, "failed"), 3*flood)
		require.LessOrEqual(t, strings.Count(log.String(), "is tried again"), 7*flood)
		require.Positive(t, strings.Count(log.String(), "more files cannot be published than are remembered"))
		require.LessOrEqual(t, strings.Count(log.String(), "more files cannot be published than are remembered"), 4)
	})
}

// crowd is more files than are remembered. They are published, and cannot be moved.
const crowd, remembered = 40, 10

func readCrowd(t *testing.T, then func(t *testing.T, d maildir, p *recorder, stop func())) {
	t.Helper()
	d := newMaildir(t)
	for i := range crowd {
		d.put(t, fmt.Sprint(i))
	}
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		p.failWith(func(processor.Envelope) error {
			_ = os.Remove(d.path("cur"))
			return nil
		})
		r := d.read(t, &p, readfiles.Settle(0), readfiles.InFlight(4), readfiles.Remember(remembered))
		time.Sleep(3 * time.Hour)
		p.failWith(nil)
		then(t, d, &p, func() {
			require.NoError(t, os.Mkdir(d.path("cur"), 0o700))
			time.Sleep(time.Hour)
			r.stop()
		})
	})
}

// Those that were not remembered were published again and again.
func TestManyFilesThatCannotBeMovedArePublishedOnce(t *testing.T) {
	t.Parallel()
	readCrowd(t, func(t *testing.T, d maildir, p *recorder, stop func()) {
		t.Helper()
		require.GreaterOrEqual(t, len(p.all()), 2*remembered)
		require.Less(t, len(p.all()), 2*remembered+4, "more could not be remembered")
		stop()
		require.Len(t, d.list(t, "cur"), crowd)
		require.Len(t, p.all(), crowd, "each once")
	})
}

// Nothing new was begun while they were remembered.
func TestFilesThatSomebodyHasTakenAwayAreForgotten(t *testing.T) {
	t.Parallel()
	readCrowd(t, func(t *testing.T, d maildir, p *recorder, stop func()) {
		t.Helper()
		require.Less(t, len(p.all()), crowd)
		for _, e := range p.all() { // another reader has moved them, say
			require.NoError(t, os.Remove(d.path("new", string(e.Body))))
		}
		time.Sleep(time.Minute)
		stop()
		require.Len(t, p.bodies(), crowd)
		require.Empty(t, d.list(t, "new"))
	})
}
