//go:build unix

package writefiles

import (
	"io/fs"
	"syscall"
)

// hasNoName reports whether an open file has no name any more.
func hasNoName(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}
