package readfiles_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

var to = processor.Destination{RoutingKey: "files"}

// maildir is a directory with files to be published.
type maildir string

func newMaildir(t *testing.T) maildir {
	t.Helper()
	d := maildir(t.TempDir())
	require.NoError(t, os.Mkdir(d.path("new"), 0o700))
	return d
}

func (d maildir) path(names ...string) string {
	return filepath.Join(append([]string{string(d)}, names...)...)
}

// put has files appear in new, as a Maildir wants it. Each has its name as its content.
func (d maildir) put(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		d.putContent(t, name, name)
	}
}

func (d maildir) putContent(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(d.path("tmp-of-test"), []byte(content), 0o600))
	require.NoError(t, os.Rename(d.path("tmp-of-test"), d.path("new", name)))
}

// list returns what a directory has; nothing if it is not there.
func (d maildir) list(t *testing.T, directory string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(d.path(directory))
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (d maildir) content(t *testing.T, names ...string) string {
	t.Helper()
	return string(must.Have(os.ReadFile(d.path(names...))))
}

// fast are options for tests in real time.
func fast(more ...readfiles.Option) []readfiles.Option {
	return append([]readfiles.Option{readfiles.Settle(0), readfiles.Poll(5 * time.Millisecond)}, more...)
}

// reader is one that runs.
type reader struct {
	*readfiles.Reader
	stop func()
}

// read runs a reader until the test ends, or stop is called.
func (d maildir) read(t *testing.T, p processor.Publisher, opts ...readfiles.Option) reader {
	t.Helper()
	r := must.Have(readfiles.New(string(d), p, to, opts...))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return reader{r, stop}
}

// eventually waits until f, in real time.
func eventually(t *testing.T, f func() bool, more ...any) {
	t.Helper()
	require.Eventually(t, f, time.Minute, 2*time.Millisecond, more...)
}

// recorder is a publisher that keeps what it gets, and fails as it is told.
type recorder struct {
	mu    sync.Mutex
	sent  []processor.Envelope
	tries map[string]int
	fail  func(processor.Envelope) error
}

func (r *recorder) Publish(_ context.Context, _ processor.Destination, e processor.Envelope) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tries == nil {
		r.tries = map[string]int{}
	}
	r.tries[string(e.Body)]++
	if r.fail != nil {
		if err := r.fail(e); err != nil {
			return err
		}
	}
	r.sent = append(r.sent, e)
	return nil
}

func (r *recorder) failWith(f func(processor.Envelope) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

func (r *recorder) all() []processor.Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]processor.Envelope{}, r.sent...)
}

func (r *recorder) tried(body string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[body]
}

// bodies returns how often each body was confirmed.
func (r *recorder) bodies() map[string]int {
	counts := map[string]int{}
	for _, e := range r.all() {
		counts[string(e.Body)]++
	}
	return counts
}
