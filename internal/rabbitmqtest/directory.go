//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	directoryPrefix = "warren-rabbitmq-"
	lockName        = "lock"
)

// directory is a temporary directory that is locked for as long as this process lives.
// The kernel drops the lock with the process, so a process that can take it knows that the
// owner died; a process id in the name could have been reused by then.
type directory struct {
	path string
	lock *os.File
}

// newDirectory removes the directories of dead processes and makes one.
func newDirectory() (*directory, error) {
	sweep()
	// It gets the name that sweep looks for only when it is locked, so that no other
	// process can take it for a dead one's in between.
	nascent, err := os.MkdirTemp("", "."+directoryPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(nascent, lockName))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(nascent))
	}
	d := &directory{path: nascent, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", lock.Name(), err), d.remove())
	}
	path := filepath.Join(filepath.Dir(nascent), filepath.Base(nascent)[1:])
	if err := os.Rename(nascent, path); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	d.path = path
	return d, nil
}

// remove deletes the directory, then releases the lock.
func (d *directory) remove() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// sweep removes the directories whose owner is dead. It ignores those that it may not touch, or
// that another process is removing.
func sweep() {
	stale, _ := filepath.Glob(filepath.Join(os.TempDir(), directoryPrefix+"*"))
	for _, path := range stale {
		lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}
