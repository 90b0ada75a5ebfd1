package readfiles_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

// once calls f when a file is at a point of its way for the first time.
func once(point string, f func()) readfiles.Option {
	var done atomic.Bool
	return readfiles.Step(func(at string) {
		if at == point && done.CompareAndSwap(false, true) {
			f()
		}
	})
}

// A producer that renames each version over the last one.
func TestAFileThatIsReplacedWhileItIsPublishedIsPublishedToo(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"read", "confirmed", "checked", "body moved"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			d := newMaildir(t)
			d.putContent(t, "latest", "1")
			var p recorder
			r := d.read(t, &p, fast(once(point, func() { d.putContent(t, "latest", "2") }))...)
			eventually(t, func() bool { return len(p.bodies()) == 2 && len(d.list(t, "new")) == 0 })
			r.stop()
			require.Equal(t, map[string]int{"1": 1, "2": 1}, p.bodies())
			require.NotEmpty(t, d.list(t, "cur"))
		})
	}
}

// The name is taken again before the file that was moved in vain is back.
func TestAFileThatIsReplacedTwiceKeepsBoth(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.putContent(t, "latest.xml", "1")
	var p recorder
	var steps atomic.Int64
	r := d.read(t, &p, fast(readfiles.Step(func(point string) {
		switch {
		case point == "checked" && steps.CompareAndSwap(0, 1):
			d.putContent(t, "latest.xml", "2")
		case point == "renamed" && steps.CompareAndSwap(1, 2):
			d.putContent(t, "latest.xml", "3")
		}
	}))...)
	eventually(t, func() bool { return len(p.bodies()) == 3 && len(d.list(t, "new")) == 0 })
	r.stop()
	require.Equal(t, map[string]int{"1": 1, "2": 1, "3": 1}, p.bodies())
	require.Len(t, d.list(t, "cur"), 2)
}

func TestAFileThatReplacesOneThatIsSetAsideIsPublished(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"setting aside", "checked"} {
		d := newMaildir(t)
		d.putContent(t, "latest", "too large")
		var p recorder
		r := d.read(t, &p, fast(readfiles.MaxSize(5), once(point, func() { d.putContent(t, "latest", "fits") }))...)
		eventually(t, func() bool { return len(p.all()) == 1 && len(d.list(t, "new")) == 0 })
		r.stop()
		require.Equal(t, map[string]int{"fits": 1}, p.bodies())
		require.Empty(t, d.list(t, "failed"), "what was too large is no more")
		require.Zero(t, r.Stats().SetAside)
	}
}

// The headers of the next version come before its body.
func TestHeadersThatAreReplacedStayForTheNextBody(t *testing.T) {
	t.Parallel()
	version := func(n string) (headers, body string) {
		e := processor.Envelope{Body: []byte(n), Properties: processor.Properties{ID: n}}
		return string(must.Have(headersfile.Write(to, e))), n
	}
	for _, first := range []bool{false, true} {
		for _, point := range []string{"read", "confirmed", "body moved", "headers checked"} {
			t.Run(fmt.Sprint(point, first), func(t *testing.T) {
				t.Parallel()
				d := newMaildir(t)
				headers, body := version("1")
				if first {
					d.putContent(t, "a"+headersfile.Suffix, headers)
				} else if point == "headers checked" {
					return // there are none
				}
				d.putContent(t, "a", body)
				headers, body = version("2")
				var p recorder
				r := d.read(t, &p, fast(once(point, func() { d.putContent(t, "a"+headersfile.Suffix, headers) }))...)
				eventually(t, func() bool { return r.Stats().Published == 1 })
				require.Equal(t, []string{"a" + headersfile.Suffix}, d.list(t, "new"))
				d.putContent(t, "a", body)
				eventually(t, func() bool { return r.Stats().Published == 2 })
				r.stop()
				require.Equal(t, "2", p.all()[1].ID)
				require.Empty(t, d.list(t, "new"))
			})
		}
	}
}

func TestEachVersionOfAFileIsPublishedOrReplaced(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	var p recorder
	p.failWith(func(processor.Envelope) error {
		<-time.After(2 * time.Millisecond) // a confirm
		return nil
	})
	r := d.read(t, &p, readfiles.Settle(0), readfiles.Poll(time.Millisecond))
	for i := range 200 {
		d.putContent(t, "latest.xml", fmt.Sprint(i))
		<-time.After(3 * time.Millisecond)
	}
	eventually(t, func() bool { return len(d.list(t, "new")) == 0 })
	r.stop()
	for _, name := range d.list(t, "cur") {
		require.Positive(t, p.bodies()[d.content(t, "cur", name)], name)
	}
	require.Positive(t, p.bodies()["199"])
}

// It is no headers file, and the body is not published without its headers.
func TestAHeadersFileThatIsNoRegularFileIsAnErrorOfItsBody(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(string) error{
		"directory": func(at string) error { return os.Mkdir(at, 0o700) },
		"link":      func(at string) error { return os.Symlink("elsewhere", at) },
		"fifo":      func(at string) error { return syscall.Mkfifo(at, 0o600) },
	} {
		d := newMaildir(t)
		require.NoError(t, put(d.path("new/a"+headersfile.Suffix)))
		d.put(t, "a")
		var p recorder
		r := d.read(t, &p, fast(readfiles.Tries(1))...)
		eventually(t, func() bool { return r.Stats().SetAside == 1 }, name)
		r.stop()
		require.Empty(t, p.all())
		require.Equal(t, []string{"a", "a" + headersfile.Suffix, "a.why.txt"}, d.list(t, "failed"))
		require.Contains(t, d.content(t, "failed/a.why.txt"), "the headers file")
		require.Empty(t, d.list(t, "new"))
	}
}
