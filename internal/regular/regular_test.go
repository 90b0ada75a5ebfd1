//go:build unix

package regular_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/regular"
)

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	require.NoError(t, os.WriteFile(at("file"), []byte("content"), 0o600))
	require.NoError(t, os.WriteFile(at("empty"), nil, 0o600))
	require.NoError(t, os.Symlink("file", at("link")))
	require.NoError(t, os.Symlink("/etc/passwd", at("out")))
	require.NoError(t, os.Mkdir(at("directory"), 0o700))
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	root := must.Have(os.OpenRoot(directory))
	defer func() { require.NoError(t, root.Close()) }()

	require.Equal(t, "content", read(t, root, "file", 7))
	require.Empty(t, read(t, root, "empty", 0))
	for _, name := range []string{"link", "out", "directory", "fifo"} {
		_, _, err := regular.Open(root, name)
		require.ErrorIs(t, err, regular.ErrNotRegular, name)
	}
	for name, want := range map[string]error{"absent": os.ErrNotExist, "file": regular.ErrTooLong} {
		_, _, err := regular.Read(root, name, 6)
		require.ErrorIs(t, err, want)
	}
	_, _, err := regular.Read(root, "../x", 6)
	require.Error(t, err)
}

func TestAFileThatGrowsIsNotReadInPart(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "file"), []byte("1"), 0o600))
	root := must.Have(os.OpenRoot(directory))
	defer func() { require.NoError(t, root.Close()) }()
	f, info, err := regular.Open(root, "file")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "file"), []byte("12"), 0o600))
	_, err = regular.ReadAll(f, info, 100)
	require.ErrorIs(t, err, regular.ErrChanging)
}

func read(t *testing.T, root *os.Root, name string, limit int64) string {
	t.Helper()
	content, info, err := regular.Read(root, name, limit)
	require.NoError(t, err)
	require.Equal(t, int64(len(content)), info.Size())
	return string(content)
}
