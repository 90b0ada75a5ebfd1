// Package regular opens and reads files in directories that strangers write into: nothing but regular files, and never
// through a symbolic link.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular: there is a directory, a symbolic link, a named pipe or a device.
var ErrNotRegular = errors.New("no regular file")

// ErrTooLong: the file has more bytes than may be read.
var ErrTooLong = errors.New("the file is too large")

// ErrChanging: somebody writes the file while it is read.
var ErrChanging = errors.New("the file changes while it is read")

// Open opens a regular file for reading. It does not wait for a named pipe. With an error, the info is that of what is
// there, if it is known.
func Open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	// A device is not opened: that alone may do something.
	before, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, before, fmt.Errorf("%q: %w", name, ErrNotRegular)
	}
	// It may be another by now. A root follows symbolic links within itself.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, before, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = fmt.Errorf("%q: %w: it is another than before", name, ErrChanging)
	}
	if err != nil {
		return nil, before, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Read reads a regular file of at most limit bytes. The info is as that of [Open].
func Read(root *os.Root, name string, limit int64) ([]byte, fs.FileInfo, error) {
	f, info, err := Open(root, name)
	if err != nil {
		return nil, info, err
	}
	content, err := ReadAll(f, info, limit)
	return content, info, errors.Join(err, f.Close())
}

// ReadAll reads an open file of at most limit bytes from its beginning.
func ReadAll(f *os.File, info fs.FileInfo, limit int64) ([]byte, error) {
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: it has %d bytes, and the limit is %d", ErrTooLong, info.Size(), limit)
	}
	content := make([]byte, info.Size()+1) // with room to see the end
	n, err := io.ReadFull(io.NewSectionReader(f, 0, limit+1), content)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return content[:n:n], nil
	case err != nil:
		return nil, err
	}
	return nil, ErrChanging
}
