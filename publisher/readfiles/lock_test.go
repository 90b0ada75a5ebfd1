//go:build linux

package readfiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

// likeNFS locks only what is open for writing.
func likeNFS(f *os.File) (bool, error) {
	if must.Have(unix.FcntlInt(f.Fd(), unix.F_GETFL, 0))&unix.O_ACCMODE == unix.O_RDONLY {
		return false, &os.PathError{Op: "flock", Path: f.Name(), Err: syscall.EBADF}
	}
	return readfiles.Lock(f)
}

func TestFilesAreLockedWhereThatNeedsTheRightToWrite(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "1", "2")
	var p recorder
	p.failWith(func(e processor.Envelope) error {
		f := must.Have(os.Open(d.path("new", string(e.Body))))
		defer func() { require.NoError(t, f.Close()) }()
		locked, err := readfiles.Lock(f)
		require.NoError(t, err)
		require.False(t, locked, "the reader has the lock while it publishes")
		return nil
	})
	r := d.read(t, &p, fast(readfiles.Locks(likeNFS))...)
	eventually(t, func() bool { return r.Stats().Published == 2 })
	r.stop()
	require.Equal(t, map[string]int{"1": 1, "2": 1}, p.bodies())
	require.Equal(t, []string{"1", "2"}, d.list(t, "cur"))
}

func TestWithoutLocksAReaderDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, errno := range []error{syscall.ENOLCK, syscall.EBADF, syscall.EOPNOTSUPP} {
		d := newMaildir(t)
		d.put(t, "1")
		var p recorder
		none := readfiles.Locks(func(*os.File) (bool, error) { return false, errno })
		err := must.Have(readfiles.New(string(d), &p, to, fast(none)...)).Run(t.Context())
		require.ErrorIs(t, err, errno)
		require.ErrorContains(t, err, "the file system gives no locks")
		require.Equal(t, []string{"1"}, d.list(t, "new"))
		require.Empty(t, d.list(t, "cur"))
		require.Empty(t, p.all())
	}
}

// A stranger's file stops no other.
func TestAFileThatCannotBeLockedStays(t *testing.T) {
	t.Parallel()
	d := newMaildir(t)
	d.put(t, "bad", "good")
	var p recorder
	r := d.read(t, &p, fast(readfiles.Tries(1), readfiles.Locks(func(f *os.File) (bool, error) {
		if strings.HasPrefix(filepath.Base(f.Name()), "bad") {
			return false, syscall.EBADF
		}
		return readfiles.Lock(f)
	}))...)
	eventually(t, func() bool { s := r.Stats(); return s.Published == 1 && s.Retried > 0 })
	r.stop()
	require.Equal(t, []string{"bad"}, d.list(t, "new"))
	require.Zero(t, r.Stats().SetAside)
}
