package readfiles

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/gowarren/warren/internal/regular"
	"github.com/gowarren/warren/processor"
)

// blame says whose fault it is that a file was not published.
type blame uint8

const (
	nobody   blame = iota // the file is looked at again
	theFile               // by itself
	forGood               // the file, and no other try would help
	perhaps               // the file, if others are published meanwhile
	anything              // the broker, the destination or the disk
)

// troubleError is an error about the disk or the process.
type troubleError struct{ error }

func (e *troubleError) Unwrap() error { return e.error }

// errPublish wraps what the publisher has returned.
var errPublish = errors.New("it was not published")

// judge says whose fault err is.
func judge(err error) blame {
	var trouble *troubleError
	switch {
	case errors.Is(err, errNotNow), errors.Is(err, regular.ErrChanging):
		return nobody
	case errors.As(err, &trouble):
		return anything
	case errors.Is(err, regular.ErrTooLong), errors.Is(err, processor.ErrTooLarge), errors.Is(err, processor.ErrHeaderType):
		return forGood
	case !errors.Is(err, errPublish):
		return judgeRead(err)
	case errors.Is(err, processor.ErrIndeterminate):
		return anything
	case errors.Is(err, processor.ErrForbidden):
		return perhaps
	}
	return anything // a refusal too: it is that of a queue that is full
}

// judgeRead judges an error of a file that was not read.
func judgeRead(err error) blame {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, regular.ErrNotRegular) {
		return nobody // somebody has taken it away
	}
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return nobody // somebody else has it open in a way that shuts others out
	}
	if errors.Is(err, syscall.EIO) {
		return perhaps // or the disk
	}
	for _, all := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE, syscall.ETIMEDOUT, fs.ErrClosed,
	} {
		if errors.Is(err, all) {
			return anything
		}
	}
	return theFile
}
