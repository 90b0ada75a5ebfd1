package writefiles

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
)

// troubles are errors about the disk or the process, which are no fault of a message.
var troubles = []error{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, // full, or broken
	syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.EBUSY, // for now
	syscall.EACCES, syscall.EPERM, syscall.ENOENT, // somebody changes the directories
	syscall.ESTALE, syscall.ETIMEDOUT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOTCONN, // a file server
	syscall.ENODEV, syscall.ENXIO, // a device that is gone
	fs.ErrClosed, // the run is over
}

// places are those of them that a single directory or name can cause, which a sender may have chosen: one that belongs
// to somebody else, such as lost+found, or a symbolic link that leads nowhere.
var places = []error{syscall.EACCES, syscall.EPERM, syscall.ENOENT, syscall.EBUSY, syscall.ENXIO}

// isTrouble reports whether every message would fail like that until somebody does something about it.
func isTrouble(err error) bool {
	return isOne(err, troubles)
}

// isOfPlace reports whether trouble may be that of one directory or name.
func isOfPlace(err error) bool { return isOne(err, places) }

func isOne(err error, of []error) bool {
	return slices.ContainsFunc(of, func(t error) bool { return errors.Is(err, t) })
}
