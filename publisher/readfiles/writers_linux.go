package readfiles

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// hasWriter reports whether a process of this machine has the file open for writing, as far as this one may know. The
// kernel grants a lease only if there is none, and only to the owner of the file and to root. On a file server it may
// be refused for other reasons, so only file systems are asked that are known to be local.
func hasWriter(f *os.File) bool {
	fd := f.Fd()
	var stat unix.Statfs_t
	err := unix.Fstatfs(int(fd), &stat)
	if err != nil || !isLocal(int64(stat.Type)) { //nolint:unconvert // the type differs by architecture
		return false
	}
	_, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK) // whoever wants to write waits for it
	}
	return errors.Is(err, unix.EAGAIN)
}

func isLocal(fileSystem int64) bool {
	switch fileSystem {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return true
	}
	return false
}
