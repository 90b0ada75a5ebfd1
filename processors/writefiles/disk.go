package writefiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"sync"
)

// disk is the directory, and nothing outside of it.
type disk struct {
	root     *os.Root
	fileMode fs.FileMode
	dirMode  fs.FileMode
	step     step

	mu    sync.Mutex
	known map[string]struct{} // directories whose names are on the disk
}

// step is called before each operation, and may fail it or end the process. It is nil but in tests.
type step func(operation, name string) error

func openDisk(c *config) (*disk, error) {
	root, err := os.OpenRoot(c.directory)
	if err != nil {
		return nil, fmt.Errorf("writefiles: the directory cannot be opened; make it before, it is not made here since it could be a disk that is not mounted: %w", err)
	}
	return &disk{root: root, fileMode: c.fileMode, dirMode: c.dirMode, step: c.step, known: map[string]struct{}{}}, nil
}

// is reports whether it is the directory that has the name now.
func (d *disk) is(directory string) bool {
	here, err := os.Stat(directory)
	if err != nil {
		return false
	}
	opened, err := d.root.Stat(".")
	return err == nil && os.SameFile(here, opened)
}

func (d *disk) at(operation, name string) error {
	if d.step == nil {
		return nil
	}
	return d.step(operation, name)
}

// create writes a new file, and has it on the disk when it returns. If it fails nothing is left, unless that
// cannot be removed either.
func (d *disk) create(name string, content []byte) (err error) {
	if err := d.at("create", name); err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, d.fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			d.remove(name)
		}
	}()
	half := len(content) / 2
	if _, err := f.Write(content[:half]); err != nil {
		return err
	}
	if err := d.at("write", name); err != nil {
		return err
	}
	if _, err := f.Write(content[half:]); err != nil {
		return err
	}
	if err := d.at("sync", name); err != nil {
		return err
	}
	return f.Sync()
}

// link gives a file a second name. It replaces no file: that is what links are for, since a rename would. An error that
// wraps [fs.ErrExist] says that the name is taken.
func (d *disk) link(from, to string) error {
	if err := d.at("link", to); err != nil {
		return err
	}
	err := d.root.Link(from, to)
	if errors.Is(err, fs.ErrExist) && d.same(from, to) {
		return nil // the answer of a file server was lost, and the second try found the link of the first
	}
	return err
}

func (d *disk) same(a, b string) bool {
	infoA, errA := d.root.Lstat(a)
	infoB, errB := d.root.Lstat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// sync has the names in a directory on the disk.
func (d *disk) sync(name string) error {
	if err := d.at("sync directory", name); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // it has no such thing
	}
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// makeDirectory makes a directory and those above it, and has their names on the disk when it returns. Another process
// may have made one and not come so far.
func (d *disk) makeDirectory(name string) error {
	if name == "." || d.knows(name) {
		return nil
	}
	parent := path.Dir(name)
	if err := d.makeDirectory(parent); err != nil {
		return err
	}
	if err := d.at("mkdir", name); err != nil {
		return err
	}
	if err := d.root.Mkdir(name, d.dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.sync(parent); err != nil {
		return err
	}
	d.remember(name)
	return nil
}

// maxKnown bounds what is remembered: senders make names.
const maxKnown = 1000

func (d *disk) knows(name string) bool {
	d.mu.Lock()
	_, known := d.known[name]
	d.mu.Unlock()
	if !known {
		return false
	}
	info, err := d.root.Stat(name)
	return err == nil && info.IsDir()
}

func (d *disk) remember(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[name] = struct{}{}
}

// remove removes what may be there. A temporary file that stays is removed by a later start.
func (d *disk) remove(names ...string) {
	for _, name := range names {
		if d.at("remove", name) == nil {
			_ = d.root.Remove(name)
		}
	}
}

// taken reports whether there is anything with that name.
func (d *disk) taken(name string) bool {
	_, err := d.root.Lstat(name)
	return err == nil
}
