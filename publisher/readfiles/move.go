package readfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gowarren/warren/internal/headersfile"
)

// move moves a file from new, and then its headers. In between there are headers without a body, which rejoin brings
// back to theirs. What has come under the name of either since it was read stays in new: it is another message. For the
// body the error is errNotNow then, and wraps fs.ErrNotExist if somebody has taken it away.
func (m *maildir) move(c *claim, directory, as string) error {
	headers := m.headersOf(c)
	if err := m.moveOne(c.name, c.info, filepath.Join(directory, as), "checked"); err != nil {
		return err
	}
	m.at("body moved")
	if headers == nil {
		return nil
	}
	return m.moveHeaders(c.name, headers, directory, as)
}

// headersOf returns what there is of a headers file that belongs to a body; nil if there is none.
func (m *maildir) headersOf(c *claim) fs.FileInfo {
	if c.headersRead || !canHaveHeaders(c.name) {
		return c.headers
	}
	info, err := m.dir.Lstat(c.name + headersfile.Suffix)
	if err != nil {
		return nil
	}
	return info
}

// canHaveHeaders reports whether there is room for the ending.
func canHaveHeaders(name string) bool { return len(name)+len(headersfile.Suffix) <= 255 }

func (m *maildir) moveHeaders(name string, info fs.FileInfo, directory, as string) error {
	err := m.moveOne(name+headersfile.Suffix, info, filepath.Join(directory, as+headersfile.Suffix), "headers checked")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotNow) {
		return nil // another reader has rejoined them, or they are those of the next body
	}
	return err
}

// moveOne moves a file from new if it is the one with that info, and as it was then.
func (m *maildir) moveOne(name string, info fs.FileInfo, to, checked string) error {
	from := filepath.Join(dirNew, name)
	here, err := m.root.Lstat(from)
	if err != nil {
		return err
	}
	if !sameState(here, info) {
		return errNotNow
	}
	m.at(checked)
	if err := m.root.Rename(from, to); err != nil {
		return err
	}
	m.at("renamed")
	// A rename goes by the name, and whoever writes may have renamed another over it since. There is no step that does
	// both.
	moved, err := m.root.Lstat(to)
	if err != nil || os.SameFile(moved, info) {
		return nil //nolint:nilerr // somebody has taken it away from there
	}
	if err := m.putBack(to, name); err != nil {
		return &troubleError{fmt.Errorf("a file that came under the same name is now %q, was not published, and cannot be moved back: %w", to, err)}
	}
	return errNotNow
}

// putBack moves a file back into new. It gets another name if somebody has taken its own.
func (m *maildir) putBack(from, name string) error {
	if m.root.Link(from, filepath.Join(dirNew, name)) == nil {
		return m.root.Remove(from)
	}
	return m.root.Rename(from, filepath.Join(dirNew, addUnique(name)))
}

// sameState reports whether both are one file that has not been written to in between. The inode alone does not tell:
// its number is given to the next file when one is gone.
func sameState(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
