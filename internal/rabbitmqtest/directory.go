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
// The kernel drops the lock with the process, so whoever can take it knows that the
// owner died; a process id in the name could be somebody else's by then.
type directory struct {
	path string
	lock *os.File
}

// newDirectory removes what dead processes left behind and makes a directory.
func newDirectory() (*directory, error) {
	sweep()
	// It gets the name that sweep looks for once it is locked, so that no other
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

// remove deletes the directory, then lets go of the lock.
func (d *directory) remove() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

// sweep removes the directories whose owner is dead. What it may not touch, or what
// another process is removing right now, it leaves alone.
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
