package writefiles_test

import (
	"context"
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

// run writes a message for each key, in their order, and returns how many are written and parked after ten minutes.
func run(t *testing.T, h processor.Processor, keys ...string) (done uint64, parked int) {
	t.Helper()
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "files"}, {Name: "parked"}}, Bindings: []broker.Binding{
		{Exchange: "amq.topic", Queue: "files", RoutingKey: "#"},
	}}))
	pipeline := must.Have(stack.New(ack.New(), retry.New(b.Publisher(), "parked", retry.Retries(0), retry.ParkKey("parked"))).Then(h))
	c := must.Have(consumer.New(b.Source("files"), pipeline))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	for i, key := range keys {
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{Exchange: "amq.topic", RoutingKey: key},
			processor.Envelope{Body: []byte("body"), Properties: processor.Properties{ID: fmt.Sprint(i)}}))
	}
	time.Sleep(10 * time.Minute)
	cancel()
	require.NoError(t, <-ended)
	parked = must.Have(b.Ready(t.Context(), "parked"))
	return c.Stats().Done - uint64(parked), parked
}

// Each root of an ext4 has lost+found, which belongs to root.
func TestADirectoryThatASenderChoseAndCannotBeUsedStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, errno := range []error{syscall.EACCES, syscall.EPERM, syscall.ENOENT, syscall.EBUSY, syscall.ENXIO} {
		for _, operation := range []string{"create", "link", "mkdir"} {
			directory := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := writefiles.Handler(directory, writefiles.Pattern("${routing_key}/${msgid}"), writefiles.Step(func(op, name string) error {
					if op == operation && strings.HasPrefix(name, "lost+found") {
						return errno
					}
					return nil
				}))
				done, parked := run(t, h, "lost+found", "good", "lost+found", "good", "good")
				require.Equal(t, uint64(3), done, "%v %s", errno, operation)
				require.Equal(t, 2, parked)
				require.Len(t, read(t, directory), 3)
			})
		}
	}
}

func TestALinkThatLeadsNowhereStopsNoOther(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	require.NoError(t, os.Symlink("missing", filepath.Join(directory, "link")))
	require.NoError(t, os.Symlink("loop", filepath.Join(directory, "loop")))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "file"), nil, 0o600))
	synctest.Test(t, func(t *testing.T) {
		done, parked := run(t, writefiles.Handler(directory, writefiles.Pattern("${routing_key}/${msgid}")), "link", "loop", "file", "good")
		require.Equal(t, uint64(1), done)
		require.Equal(t, 3, parked)
	})
}

func TestANameThatASenderChoseAndIsNotAllowedStopsNoOther(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := writefiles.Handler(directory, writefiles.Pattern("new/${routing_key}"), writefiles.Step(func(op, name string) error {
			if op == "link" && strings.HasPrefix(name, "new/veto") {
				return syscall.EACCES
			}
			return nil
		}))
		done, parked := run(t, h, "veto", "good")
		require.Equal(t, uint64(1), done)
		require.Equal(t, 1, parked)
	})
}

// The disk was full first, so that what is tried is the directory of that message.
func TestAPauseEndsWhenOnlyTheDirectoryOfOneMessageCannotBeUsed(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		full.Store(true)
		h := writefiles.Handler(directory, writefiles.Pattern("${routing_key}/${msgid}"), writefiles.Step(func(op, name string) error {
			switch {
			case op != "create" || !strings.HasPrefix(name, "lost+found"):
				return nil
			case full.CompareAndSwap(true, false):
				return syscall.ENOSPC
			}
			return syscall.EACCES
		}))
		done, parked := run(t, h, "lost+found", "good")
		require.Equal(t, uint64(1), done)
		require.Equal(t, 1, parked)
	})
}

// All messages go there.
func TestADirectoryThatNoSenderChosePausesTheRun(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := writefiles.Handler(directory, writefiles.Pattern("new/${date}/${routing_key}/${unique}"), writefiles.Step(func(op, name string) error {
			if op == "create" && strings.HasPrefix(name, "new/") {
				return syscall.EACCES
			}
			return nil
		}))
		done, parked := run(t, h, "a", "b")
		require.Zero(t, done)
		require.Zero(t, parked)
	})
}

// Somebody removes directories that are empty.
func TestADirectoryThatIsRemovedInBetweenIsMadeAgain(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	var once atomic.Bool
	h := handler(t, directory, writefiles.Pattern("${routing_key}/${msgid}"), writefiles.Step(func(op, name string) error {
		if op == "create" && once.CompareAndSwap(false, true) {
			return os.Remove(filepath.Join(directory, filepath.Dir(name)))
		}
		return nil
	}))
	require.NoError(t, h.Process(t.Context(), message("key", "1", "body")))
	require.Len(t, read(t, directory), 1)
}
