package readfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/regular"
)

// claim is a file that this reader has, and no other: it has its lock.
type claim struct {
	name string
	file *os.File    // nil if it could not be opened
	info fs.FileInfo // nil if there was none

	headers     fs.FileInfo // of its headers file; nil if it has none
	headersRead bool        // else nobody has looked for them

	inMemory int64       // how much of maxBytes it takes while it is in flight
	decided  atomic.Bool // whether it is moved when it is confirmed, or was abandoned before
}

// decide decides what becomes of the claim, and reports whether nobody had before.
func (c *claim) decide() bool { return c.decided.CompareAndSwap(false, true) }

// headersInMemory is what a headers file takes there, as a multiple of its size: each value is an object of its own.
const headersInMemory = 16

// weigh says how much the message takes in memory.
func (c *claim) weigh(headers fs.FileInfo) {
	c.inMemory = c.info.Size()
	if headers != nil && headers.Size() <= headersfile.MaxSize { // else it is not read
		c.inMemory += headersInMemory * headers.Size()
	}
}

func (c *claim) close() {
	if c.file != nil {
		_ = c.file.Close() // it was only read
	}
}

func (c *claim) size() int64 {
	if c.info == nil {
		return 0
	}
	return c.info.Size()
}

// errNotNow says that a file is to be looked at again: another reader has it, or somebody writes it.
var errNotNow = errors.New("not now")

// take claims a file, unless settled returns an error. The error is errNotNow, or fs.ErrNotExist, or one about this file,
// which is not claimed then.
func (m *maildir) take(name string, settled func(*claim) error) (*claim, error) {
	f, info, err := regular.Open(m.dir, name)
	c := &claim{name: name, file: f, info: info}
	if err != nil {
		return c, err
	}
	if err = m.check(c); err == nil {
		err = settled(c)
	}
	if err != nil {
		c.close()
		return c, err
	}
	c.weigh(m.headersOf(c))
	return c, nil
}

func (m *maildir) check(c *claim) error {
	locked, err := m.lock(c.file)
	if errors.Is(err, syscall.EBADF) {
		locked, err = m.lockForWriting(c)
	}
	if errors.Is(err, errNotNow) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return &troubleError{fmt.Errorf("the file system gives no locks: %w", err)}
	}
	if !locked {
		return errNotNow
	}
	// The reader that had the lock before may have moved the file.
	here, err := m.dir.Lstat(c.name)
	if err != nil {
		return err
	}
	if !os.SameFile(here, c.info) {
		return errNotNow
	}
	return nil
}

// lockForWriting opens the file again to lock it: NFS gives an exclusive lock only to whom may write.
func (m *maildir) lockForWriting(c *claim) (bool, error) {
	f, err := m.dir.OpenFile(c.name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, fmt.Errorf("it locks only files that may be written; give this user the right to write all files in new: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(info, c.info) {
		err = errNotNow
	}
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	c.close()
	c.file = f
	return m.lock(f)
}

// changed reports whether the file has been written to since it was claimed.
func (c *claim) changed() bool {
	now, err := c.file.Stat()
	return err != nil || now.Size() != c.info.Size() || !now.ModTime().Equal(c.info.ModTime())
}

// read returns the body, and the headers file; nil if there is none.
func (m *maildir) read(c *claim, limit int64) (body, headers []byte, err error) {
	body, err = regular.ReadAll(c.file, c.info, limit)
	if err != nil {
		return nil, nil, err
	}
	if c.changed() {
		return nil, nil, errNotNow
	}
	if !canHaveHeaders(c.name) {
		return body, nil, nil
	}
	headers, c.headers, err = regular.Read(m.dir, c.name+headersfile.Suffix, headersfile.MaxSize)
	c.headersRead = true
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return body, nil, nil
	case errors.Is(err, regular.ErrNotRegular):
		// Not wrapped: that error leaves a body alone, and this body would never be published.
		return nil, nil, fmt.Errorf("the headers file cannot be used; replace it by one, or remove it: %v", err) //nolint:errorlint // see above
	case err != nil:
		return nil, nil, fmt.Errorf("the headers file: %w", err)
	}
	return body, headers, nil
}
