package readfiles_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

func TestWhatIsNoFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	require.NoError(t, os.Mkdir(d.path("new/directory"), 0o700))
	require.NoError(t, os.WriteFile(d.path("new/directory/inside"), nil, 0o600))
	require.NoError(t, os.WriteFile(d.path("outside"), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink("../outside", d.path("new/link")))
	require.NoError(t, os.Symlink("/etc/passwd", d.path("new/absolute")))
	require.NoError(t, os.Symlink("file", d.path("new/link-to-file")))
	require.NoError(t, syscall.Mkfifo(d.path("new/fifo"), 0o600))
	require.NoError(t, os.WriteFile(d.path("new/.hidden"), nil, 0o600))
	require.NoError(t, os.WriteFile(d.path("new/.warren-ABCDEFGHIJKLMNOPQRSTUVWXYZ.body"), nil, 0o600))
	d.put(t, "file")
	var p recorder
	r := d.read(t, &p, fast()...)
	eventually(t, func() bool { return r.Stats().Published == 1 })
	d.put(t, "second")
	eventually(t, func() bool { return r.Stats().Published == 2 })
	r.stop()
	require.Equal(t, map[string]int{"file": 1, "second": 1}, p.bodies())
	require.Equal(t, readfiles.Stats{Published: 2, Bytes: 10}, r.Stats())
	require.Len(t, d.list(t, "new"), 7)
}

func TestAnyNameSurvives(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	names := []string{
		"\xff\xfe", "new\nline", "tab\t", " space ", "-rf", "*", "é", "e\u0301", "👩‍👩‍👧", "$(x)", `back\slash`, "a:2,S", strings.Repeat("x", 255), strings.Repeat("\xff", 255),
		strings.Repeat("y", 242), strings.Repeat("z", 243), "why.txt", "x.why.txt", "headers.json",
	}
	for _, name := range names {
		d.put(t, name)
	}
	var p recorder
	r := d.read(t, &p, fast()...)
	eventually(t, func() bool { return r.Stats().Published == uint64(len(names)) })
	r.stop()
	var headers []string
	for _, e := range p.all() {
		require.Equal(t, string(e.Body), e.Headers["X-Filename"])
		name, _ := e.Headers.String("X-Filename")
		headers = append(headers, name)
	}
	require.ElementsMatch(t, names, headers)
	require.ElementsMatch(t, names, d.list(t, "cur"))
}

func TestAFileThatSomebodyHasOpenForWritingIsNotRead(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	f := must.Have(os.Create(d.path("new/1")))
	must.Have(f.WriteString("half "))
	var p recorder
	d.read(t, &p, readfiles.Settle(time.Millisecond), readfiles.Poll(5*time.Millisecond))
	d.put(t, "2", "3")
	eventually(t, func() bool { return len(p.all()) == 2 })
	must.Have(f.WriteString("and half"))
	require.NoError(t, f.Close())
	eventually(t, func() bool { return len(p.all()) == 3 })
	require.Equal(t, map[string]int{"2": 1, "3": 1, "half and half": 1}, p.bodies())
}

// Not parallel: a child of another test has the files open for writing for a moment, between its fork and its exec.
func TestAFileIsReadWhenItHasNotChangedForASecond(t *testing.T) {
	d := newMaildir(t)
	synctest.Test(t, func(t *testing.T) {
		touch := func(name string, age time.Duration) {
			then := time.Now().Add(-age)
			require.NoError(t, os.Chtimes(d.path("new", name), then, then))
		}
		for name, age := range map[string]time.Duration{"fresh": 0, "old": time.Second, "next": -500 * time.Millisecond, "wrong clock": -time.Hour} {
			require.NoError(t, os.WriteFile(d.path("new", name), []byte(name), 0o600))
			touch(name, age)
		}
		var p recorder
		r := d.read(t, &p, readfiles.Poll(time.Hour))
		synctest.Wait()
		require.Equal(t, map[string]int{"old": 1}, p.bodies())
		time.Sleep(500 * time.Millisecond)
		touch("fresh", 0)
		time.Sleep(499 * time.Millisecond)
		require.Len(t, p.all(), 1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Equal(t, map[string]int{"old": 1, "wrong clock": 1}, p.bodies(), "nobody has changed it for a second")
		time.Sleep(499 * time.Millisecond)
		require.Len(t, p.all(), 2)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Len(t, p.all(), 4)
		r.stop()
	})
}

// The clock of a file server is ahead, or that of this machine was set back: half of it was published.
func TestAFileOfTheFutureIsReadWhenItHasNotChangedForASecond(t *testing.T) {
	for _, ahead := range []time.Duration{100 * time.Millisecond, time.Second, 2 * time.Second, time.Hour} {
		d := newMaildir(t)
		synctest.Test(t, func(t *testing.T) {
			write := func(name, content string, changed time.Time) {
				require.NoError(t, os.WriteFile(d.path("new", name), []byte(content), 0o600))
				require.NoError(t, os.Chtimes(d.path("new", name), changed, changed))
			}
			var p recorder
			r := d.read(t, &p, readfiles.Poll(50*time.Millisecond))
			began := time.Now()
			for lines := 1; lines <= 15; lines++ {
				write("grows", strings.Repeat("line\n", lines), time.Now().Add(ahead))
				write("is touched", "whole", time.Now().Add(ahead))
				write("keeps its time", strings.Repeat("line\n", lines), began.Add(ahead+time.Minute))
				time.Sleep(200 * time.Millisecond)
				require.Empty(t, p.all(), ahead)
			}
			time.Sleep(3 * time.Second)
			require.Equal(t, map[string]int{strings.Repeat("line\n", 15): 2, "whole": 1}, p.bodies())
			r.stop()
		})
	}
}

// There are more than are remembered at a time.
func TestAFloodOfFilesOfTheFutureIsPublished(t *testing.T) {
	const flood = 2*readfiles.MaxSightings + 1
	d := newMaildir(t)
	synctest.Test(t, func(t *testing.T) {
		future := time.Now().Add(time.Hour)
		for i := range flood {
			d.put(t, fmt.Sprint(i))
			require.NoError(t, os.Chtimes(d.path("new", fmt.Sprint(i)), future, future))
		}
		var p recorder
		r := d.read(t, &p, readfiles.Poll(100*time.Millisecond))
		time.Sleep(900 * time.Millisecond)
		require.Empty(t, p.all())
		time.Sleep(2500 * time.Millisecond)
		require.Len(t, p.all(), flood)
		r.stop()
	})
}

func TestAFileThatIsWrittenWhileItIsPublishedIsPublishedAgain(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	require.NoError(t, os.WriteFile(d.path("new/1"), []byte("half"), 0o600))
	var p recorder
	p.failWith(func(e processor.Envelope) error {
		if string(e.Body) == "half" {
			return os.WriteFile(d.path("new/1"), []byte("the whole"), 0o600)
		}
		return nil
	})
	d.read(t, &p, fast()...)
	eventually(t, func() bool { return len(d.list(t, "new")) == 0 })
	sent := p.all()
	require.Len(t, sent, 2)
	require.Equal(t, "the whole", string(sent[1].Body))
	require.NotEqual(t, sent[0].ID, sent[1].ID)
}

func TestAFileThatComesAgainIsAnotherMessage(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	var p recorder
	d.read(t, &p, fast()...)
	then := time.Now()
	ids := map[string]bool{}
	for i := range 3 {
		d.put(t, "1")
		_ = os.Chtimes(d.path("new/1"), then, then) // it may have been read
		eventually(t, func() bool { return len(p.all()) == i+1 })
		eventually(t, func() bool { return len(d.list(t, "cur")) == i+1 })
		ids[p.all()[i].ID] = true
	}
	require.Len(t, ids, 3)
}

func TestHeadersWithoutABodyWait(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	headers := string(must.Have(headersfile.Write(to, processor.Envelope{Body: []byte("x"), Properties: processor.Properties{ID: "1"}})))
	d.putContent(t, "late"+headersfile.Suffix, headers)
	synctest.Test(t, func(t *testing.T) {
		var p recorder
		now := time.Now()
		require.NoError(t, os.Chtimes(d.path("new/late"+headersfile.Suffix), now, now))
		r := d.read(t, &p, readfiles.Settle(0))
		time.Sleep(59 * time.Minute)
		require.Len(t, d.list(t, "new"), 1)
		d.putContent(t, "late", "x")
		time.Sleep(2 * time.Second)
		require.Equal(t, "1", p.all()[0].ID)

		d.putContent(t, "never"+headersfile.Suffix, headers)
		now = time.Now()
		require.NoError(t, os.Chtimes(d.path("new/never"+headersfile.Suffix), now, now))
		time.Sleep(2 * time.Hour)
		require.Empty(t, d.list(t, "new"))
		require.Len(t, d.list(t, "failed"), 2)
		require.Equal(t, headers, d.content(t, "failed/never"+headersfile.Suffix))
		r.stop()
	})
}

// A reader was killed after it had moved the body and before it moved the headers.
func TestHeadersFollowTheirBody(t *testing.T) {
	t.Parallel()
	e := processor.Envelope{Body: []byte("x"), Properties: processor.Properties{ID: "1"}}
	headers := string(must.Have(headersfile.Write(to, e)))
	for _, again := range []bool{false, true} {
		d := newMaildir(t)
		d.putContent(t, "a"+headersfile.Suffix, headers)
		require.NoError(t, os.Mkdir(d.path("cur"), 0o700))
		require.NoError(t, os.WriteFile(d.path("cur/a"), e.Body, 0o600))
		then := time.Now().Add(-2 * time.Minute)
		require.NoError(t, os.Chtimes(d.path("new/a"+headersfile.Suffix), then, then))
		if again {
			d.putContent(t, "a", "another with that name")
		}
		var p recorder
		d.read(t, &p, fast()...)
		eventually(t, func() bool { return len(d.list(t, "new")) == 0 })
		require.Equal(t, headers, d.content(t, "cur/a"+headersfile.Suffix))
		if again {
			eventually(t, func() bool { return len(p.all()) == 1 })
			require.Equal(t, processor.Headers{"X-Filename": "a"}, p.all()[0].Headers)
			require.Len(t, d.list(t, "cur"), 3)
		}
		require.Equal(t, "x", d.content(t, "cur/a"), fmt.Sprint(again))
	}
}
