package writefiles_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/writefiles"
)

// file is a message in a directory.
type file struct {
	name string
	to   processor.Destination
	processor.Envelope
}

// read returns all messages in a directory. It fails if there is a body without its headers, or not the whole of one.
func read(t *testing.T, directory string) (files []file) {
	t.Helper()
	for _, name := range list(t, directory) {
		if headersfile.Is(name) || strings.HasPrefix(filepath.Base(name), ".") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(directory, name))
		require.NoError(t, err)
		headers, err := os.ReadFile(filepath.Join(directory, name+headersfile.Suffix))
		require.NoError(t, err)
		to, e, err := headersfile.Read(headers, body)
		require.NoError(t, err)
		files = append(files, file{name, to, e})
	}
	return files
}

// list returns the names of all files, of whatever kind.
func list(t *testing.T, directory string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(directory, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(directory, path)
			names = append(names, name)
		}
		return err
	}))
	return names
}

// message returns a message with a key, an id and a body.
func message(key, id, body string, more ...processortest.Option) *processortest.Message {
	return processortest.NewMessage(append([]processortest.Option{
		processortest.Origin(processor.Origin{Queue: "files", Exchange: "shop", RoutingKey: key}),
		processortest.Properties(processor.Properties{ID: id}), processortest.Body(body),
	}, more...)...)
}

// again is message, redelivered.
func again(key, id, body string, more ...processortest.Option) *processortest.Message {
	return message(key, id, body, append(more, processortest.Origin(processor.Origin{
		Queue: "files", Exchange: "shop", RoutingKey: key, Redelivered: true,
	}))...)
}

// write writes messages into a directory.
func write(t *testing.T, directory, pattern string, messages ...processor.Message) {
	t.Helper()
	h := handler(t, directory, writefiles.Pattern(pattern))
	for _, m := range messages {
		require.NoError(t, h.Process(t.Context(), m))
	}
}

// handler returns one that is closed in the end.
func handler(t *testing.T, directory string, opts ...writefiles.Option) processor.Processor {
	t.Helper()
	h := writefiles.Handler(directory, opts...)
	require.NoError(t, processor.Check(h))
	t.Cleanup(func() { require.NoError(t, stop(h)) })
	return h
}

// inMemory returns a directory in memory, where there is such a file system, for tests that sync thousands of files.
func inMemory(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("/dev/shm", "writefiles") //nolint:usetesting // t.TempDir may be on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(directory)) })
	return directory
}
