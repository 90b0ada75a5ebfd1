package writefiles_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/writefiles"
)

// fault fails one kind of operation while it is on.
type fault struct {
	on        atomic.Bool
	operation string
	suffix    string
	err       error
}

func (f *fault) step(operation, name string) error {
	if f.on.Load() && operation == f.operation && strings.HasSuffix(name, f.suffix) {
		return &os.PathError{Op: operation, Path: name, Err: f.err}
	}
	return nil
}

// faults are all operations that write.
func faults(err error) (all []*fault) {
	for _, operation := range []string{"create", "write", "sync"} {
		for _, suffix := range []string{".body", ".headers"} {
			all = append(all, &fault{operation: operation, suffix: suffix, err: err})
		}
	}
	return append(all,
		&fault{operation: "link", err: err},
		&fault{operation: "sync directory", err: err},
		&fault{operation: "mkdir", err: err},
	)
}

func TestWhileTheDiskIsFullMessagesGoBackAndTheRunIsPaused(t *testing.T) {
	t.Parallel()
	for _, f := range faults(syscall.ENOSPC) {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprint(f.operation, f.suffix, workers), func(t *testing.T) { full(t, f, workers) })
		}
	}
}

func full(t *testing.T, f *fault, workers int) {
	t.Helper()
	directory := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
			{Name: "files", Arguments: processor.Headers{"x-queue-type": "quorum", "x-delivery-limit": 20}}, {Name: "parked"},
		}}))
		h := writefiles.Handler(directory, writefiles.Pattern("${msgid}/x"), writefiles.Step(f.step))
		pipeline := must.Have(stack.New(ack.New(), retry.New(b.Publisher(), "parked", retry.Retries(0), retry.ParkKey("parked"))).Then(h))
		c := must.Have(consumer.New(b.Source("files"), pipeline, consumer.Workers(workers)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()

		f.on.Store(true)
		defer f.on.Store(false)
		for i := range 10 {
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "files"},
				processor.Envelope{Body: []byte("body"), Properties: processor.Properties{ID: fmt.Sprint(i)}}))
		}
		time.Sleep(10 * time.Minute)
		require.Equal(t, 10, must.Have(b.Ready(t.Context(), "files")), "they wait in their queue")
		require.LessOrEqual(t, c.Stats().Requeued, uint64(12), "and nobody tries them any more")
		if f.operation != "sync directory" {
			require.Empty(t, list(t, directory), "nothing half-written stays")
		}

		f.on.Store(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, uint64(10), c.Stats().Done)
		require.Zero(t, must.Have(b.Ready(t.Context(), "parked")))
		require.Len(t, read(t, directory), 10)
		require.Len(t, list(t, directory), 20)

		f.on.Store(true)
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "files"},
			processor.Envelope{Properties: processor.Properties{ID: "last"}}))
		synctest.Wait()
		cancel()
		require.NoError(t, <-done, "a run ends while it is paused")
	})
}

func TestTroubleIsToldFromAFault(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]processor.Action{
		syscall.EDQUOT: processor.Requeued, syscall.EROFS: processor.Requeued, syscall.EIO: processor.Requeued, syscall.EMFILE: processor.Requeued,
		syscall.EFBIG: processor.Failed, syscall.ENAMETOOLONG: processor.Failed, syscall.EILSEQ: processor.Failed, errors.New("unknown"): processor.Failed,
	} {
		for _, f := range faults(err) {
			directory := t.TempDir()
			f.on.Store(true)
			h := handler(t, directory, writefiles.Pattern("d/{msgid}"), writefiles.Step(f.step))
			problem := h.Process(t.Context(), message("key", "1", "body"))
			require.ErrorIs(t, problem, err)
			require.Equal(t, want, processor.Decide(problem).Action, problem)
			require.Empty(t, list(t, directory), "%s %s", f.operation, f.suffix)
		}
	}
}

// An unmounted disk leaves an empty directory behind, and one that is mounted again is another directory.
func TestADirectoryThatIsReplacedIsOpenedAgain(t *testing.T) {
	t.Parallel()
	directory := t.TempDir() + "/mounted"
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, os.Mkdir(directory, 0o700))
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "files"}}}))
		pipeline := must.Have(stack.New(ack.New(ack.RequeueOnError())).Then(writefiles.Handler(directory)))
		c := must.Have(consumer.New(b.Source("files"), pipeline))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()
		require.NoError(t, os.Remove(directory))
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "files"}, processor.Envelope{}))
		time.Sleep(time.Minute)
		require.Equal(t, 1, must.Have(b.Ready(t.Context(), "files")))
		require.NoError(t, os.Mkdir(directory, 0o700))
		time.Sleep(time.Minute)
		require.Len(t, read(t, directory), 1)
		cancel()
		require.NoError(t, <-done)
	})
}

// With another file system mounted over it, it is the same. Nothing fails then.
func TestADirectoryThatIsMovedAwayIsWrittenToForASecondAtMost(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "files")
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, os.Mkdir(directory, 0o700))
		h := handler(t, directory)
		require.NoError(t, start(h))
		require.NoError(t, h.Process(t.Context(), message("key", "1", "body")))
		require.NoError(t, os.Rename(directory, directory+".old"))
		require.NoError(t, os.Mkdir(directory, 0o700))
		time.Sleep(time.Second)
		require.NoError(t, h.Process(t.Context(), message("key", "2", "body")))
		require.Len(t, read(t, directory+".old"), 1)
		require.Len(t, read(t, directory), 1)
	})
}

func TestWithoutADirectoryTheRunIsPaused(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "files")
	require.NoError(t, os.Mkdir(directory, 0o700))
	synctest.Test(t, func(t *testing.T) {
		h := writefiles.Handler(directory)
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "files"}}}))
		c := must.Have(consumer.New(b.Source("files"), must.Have(stack.New(ack.New()).Then(h))))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()
		require.NoError(t, os.Rename(directory, directory+".old"))
		time.Sleep(time.Second)
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "files"}, processor.Envelope{}))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, must.Have(b.Ready(t.Context(), "files")))
		require.LessOrEqual(t, c.Stats().Requeued, uint64(2))
		require.Empty(t, read(t, directory+".old"))
		require.NoError(t, os.Rename(directory+".old", directory))
		time.Sleep(time.Minute)
		require.Len(t, read(t, directory), 1)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestBodiesBeyondTheLimitOfAFileSystemFailAlone(t *testing.T) {
	t.Parallel()
	f := &fault{operation: "write", suffix: ".body", err: syscall.EFBIG}
	f.on.Store(true)
	h := handler(t, t.TempDir(), writefiles.Step(f.step))
	require.Equal(t, processor.Failed, processor.Decide(h.Process(t.Context(), message("key", "1", "body"))).Action)
}

// A message whose handler was abandoned opened the directory again, and nobody closed it.
func TestAfterTheRunNothingIsOpened(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "files")
	require.NoError(t, os.Mkdir(directory, 0o700))
	h := writefiles.Handler(directory)
	for range 2 {
		require.NoError(t, start(h))
		require.NoError(t, h.Process(t.Context(), message("key", "1", "body")))
		require.NoError(t, stop(h))
		require.NoError(t, os.RemoveAll(directory))
		require.NoError(t, os.Mkdir(directory, 0o700))
		err := h.Process(t.Context(), message("key", "1", "body"))
		require.Equal(t, processor.Released, processor.Decide(err).Action, err)
		require.Empty(t, list(t, directory))
	}
}
