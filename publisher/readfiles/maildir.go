package readfiles

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/gowarren/warren/internal/headersfile"
)

// The directories of a Maildir that are used, and the one for files that are set aside.
const (
	dirNew    = "new"
	dirCur    = "cur"
	dirFailed = "failed"
)

// reasonSuffix is what the name of the text has that says why a file was set aside.
const reasonSuffix = ".why.txt"

// maildir is the directory, and nothing outside of it.
type maildir struct {
	root *os.Root
	dir  *os.Root // new
	// step is called at each point of the way of a file, in tests. It is nil outside of them.
	step func(point string)
	lock func(*os.File) (bool, error)
}

func (m *maildir) at(point string) {
	if m.step != nil {
		m.step(point)
	}
}

// openMaildir opens the directory, which must be there, and makes those in it.
func openMaildir(directory string, c *config) (*maildir, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, fmt.Errorf("readfiles: the directory cannot be opened; make it before, it is not made here since it could be a disk that is not mounted: %w", err)
	}
	m := &maildir{root: root, step: c.step, lock: c.lock}
	if err = errors.Join(m.make(dirNew), m.make(dirCur)); err == nil {
		m.dir, err = root.OpenRoot(dirNew)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("readfiles: the directory %q has no new and cur, and they cannot be made: %w", directory, err), root.Close())
	}
	if err = m.tryMove(); err != nil {
		return nil, errors.Join(fmt.Errorf("readfiles: in %q files cannot be locked, or cannot be moved from new to cur; make both directories of one file system that this user may write to, not links: %w", directory, err), m.close())
	}
	return m, nil
}

// tryMove locks and moves a file as one that is published will be. Without that, all files would be published at each start.
func (m *maildir) tryMove() error {
	name := ".warren-" + rand.Text() + ".try"
	from, to := filepath.Join(dirNew, name), filepath.Join(dirCur, name)
	err := m.writeNew(from, "")
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil // a move needs no room
	}
	if err != nil {
		return err
	}
	c, err := m.take(name, func(*claim) error { return nil })
	if err == nil {
		err = m.root.Rename(from, to)
		c.close()
	}
	if err != nil {
		return errors.Join(err, m.root.Remove(from))
	}
	return m.root.Remove(to)
}

// errReplaced says that what was opened is not what is there now.
var errReplaced = errors.New("another directory is in its place since, and is opened next")

// current returns an error unless the directory with that name, and new in it, are those that were opened. Somebody may
// have moved them away, or mounted another file system over them.
func (m *maildir) current(directory string) error {
	here, err := os.Stat(directory)
	if err == nil {
		err = sameAs(m.root, here)
	}
	if err == nil {
		here, err = m.root.Stat(dirNew)
	}
	if err == nil {
		err = sameAs(m.dir, here)
	}
	return err
}

func sameAs(opened *os.Root, here fs.FileInfo) error {
	info, err := opened.Stat(".")
	if err == nil && !os.SameFile(info, here) {
		err = errReplaced
	}
	return err
}

func (m *maildir) make(name string) error {
	if err := m.root.Mkdir(name, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (m *maildir) close() error { return errors.Join(m.dir.Close(), m.root.Close()) }

// each calls f for the entries of new, until it returns false. It reads them in pieces: there may be millions.
func (m *maildir) each(f func(fs.DirEntry) bool) error {
	dir, err := m.dir.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	for {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if !f(e) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (m *maildir) taken(name string) bool {
	_, err := m.root.Lstat(name)
	return err == nil
}

// free returns a name that no file has in a directory. It is name itself if that is possible. Of readers, only the one
// that has the file of that name in new asks, so that no two get the same answer.
func (m *maildir) free(directory, name string) string {
	for candidate := name; ; candidate = addUnique(name) {
		path := filepath.Join(directory, candidate)
		if len(candidate) <= longest && !m.taken(path) && !m.taken(path+headersfile.Suffix) && !m.taken(path+reasonSuffix) {
			return candidate
		}
		if len(candidate) > longest && directory == dirCur && !m.taken(path) {
			return candidate // it can have no headers file
		}
	}
}

// longest is how many bytes a name has that leaves room for the endings.
const longest = 255 - max(len(headersfile.Suffix), len(reasonSuffix))

// addUnique puts a token before the ending of a name, which is cut if it is long.
func addUnique(name string) string {
	ending := filepath.Ext(name)
	if ending == name || len(ending) > 20 {
		ending = ""
	}
	base := strings.TrimSuffix(name, ending)
	token := "-" + rand.Text()
	cut := min(len(base), longest-len(token)-len(ending))
	for cut > 0 && cut < len(base) && !utf8.RuneStart(base[cut]) {
		cut--
	}
	return base[:cut] + token + ending
}

// setAside moves a file from new into failed, with a text beside it that says why. The errors are those of move.
func (m *maildir) setAside(c *claim, why string) error {
	if err := m.make(dirFailed); err != nil {
		return err
	}
	as := m.free(dirFailed, c.name)
	reason := filepath.Join(dirFailed, as+reasonSuffix)
	if err := m.writeNew(reason, why); err != nil {
		return err
	}
	m.at("setting aside")
	err := m.move(c, dirFailed, as)
	if err != nil && !m.taken(filepath.Join(dirFailed, as)) {
		err = errors.Join(err, m.root.Remove(reason))
	}
	return err
}

func (m *maildir) writeNew(name, text string) error {
	f, err := m.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, m.root.Remove(name))
	}
	return nil
}
