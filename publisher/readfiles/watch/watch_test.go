package watch_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
	"github.com/gowarren/warren/publisher/readfiles/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAReaderThatIsWokenNeedsNoPoll(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	w := must.Have(watch.New(directory))
	var published atomic.Int64
	p := processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
		published.Add(1)
		return nil
	})
	r := must.Have(readfiles.New(directory, p, processor.Destination{RoutingKey: "files"},
		readfiles.WakeOn(w.C()), readfiles.Settle(0), readfiles.Poll(time.Hour)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	for i := range 5 {
		file := filepath.Join(directory, "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		require.NoError(t, os.Rename(file, filepath.Join(directory, "new", "file")))
		require.Eventually(t, func() bool { return published.Load() == int64(i+1) }, 30*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { return len(must.Have(os.ReadDir(filepath.Join(directory, "cur")))) == i+1 }, 30*time.Second, time.Millisecond)
	}
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
}

func TestADirectoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := watch.New(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
