package writefiles

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/regular"
)

// temporary are the names that a pair has before it appears.
type temporary struct{ body, headers string }

const (
	temporaryPrefix  = ".warren-" // no name that is made by a pattern begins with a dot
	temporaryBody    = ".body"
	temporaryHeaders = ".headers"
)

func newTemporary(directory string) temporary {
	base := path.Join(directory, temporaryPrefix+rand.Text())
	return temporary{base + temporaryBody, base + temporaryHeaders}
}

// isTemporary reports whether the handler makes files with that name.
func isTemporary(name string) bool {
	token, ours := strings.CutPrefix(name, temporaryPrefix)
	token, _, _ = strings.Cut(token, ".")
	return ours && len(token) == tokenLength &&
		(name == temporaryPrefix+token+temporaryBody || name == temporaryPrefix+token+temporaryHeaders)
}

// leftovers removes what processes that were killed have left.
type leftovers struct {
	disk    *disk
	before  time.Time // files that were written later may still be in use
	removed int
	errs    int   // how many directories could not be read to their ends
	first   error // of those
}

// failed notes that a directory cannot be read. The others can all the same.
func (l *leftovers) failed(err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) { // somebody has removed it meanwhile
		return
	}
	l.errs++
	if l.first == nil {
		l.first = err
	}
}

// problem is about all directories that could not be read; nil if there were none.
func (l *leftovers) problem() error {
	if l.errs > 1 {
		return fmt.Errorf("%w (and %d more)", l.first, l.errs-1)
	}
	return l.first
}

// clean removes leftovers in the directories that have files of that pattern, until ctx ends.
func (l *leftovers) clean(ctx context.Context, directory string, below []component) {
	if len(below) > 1 {
		l.eachEntry(ctx, directory, func(e fs.DirEntry) {
			if e.IsDir() && below[0].matches(e.Name()) {
				l.clean(ctx, path.Join(directory, e.Name()), below[1:])
			}
		})
		return
	}
	var bodies, headers []string
	seen := l.eachEntry(ctx, directory, func(e fs.DirEntry) {
		name := path.Join(directory, e.Name())
		switch {
		case !isTemporary(e.Name()) || !l.old(name):
		case strings.HasSuffix(name, temporaryBody):
			bodies = append(bodies, name)
		default:
			headers = append(headers, name)
		}
	})
	if !seen {
		return // the other half of a pair may be in the rest
	}
	halves := map[string]bool{}
	for _, name := range bodies {
		halves[strings.TrimSuffix(name, temporaryBody)+temporaryHeaders] = l.removeBody(name)
	}
	l.removeHeaders(ctx, directory, headers, halves)
}

// removeBody removes a temporary body, and reports whether it has never appeared. It is asked after the removal: from
// then on a process that only slept cannot complete its pair, and gets an error.
func (l *leftovers) removeBody(name string) bool {
	f, _, err := regular.Open(l.disk.root, name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	if !l.remove(name) {
		return false
	}
	info, err := f.Stat()
	return err == nil && hasNoName(info)
}

// matches reports whether a directory of that name can be one of this component.
func (c component) matches(name string) bool {
	return c.parts[0].variable != "" || strings.HasPrefix(name, c.parts[0].text)
}

func (l *leftovers) old(name string) bool {
	info, err := l.disk.root.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.ModTime().Before(l.before)
}

func (l *leftovers) remove(name string) bool {
	err := l.disk.root.Remove(name)
	if err == nil {
		l.removed++
	}
	return err == nil
}

// removeHeaders removes temporary headers. Of a pair whose body has never appeared the headers may have: they are found
// as a second name of the same file, and go too.
func (l *leftovers) removeHeaders(ctx context.Context, directory string, headers []string, halves map[string]bool) {
	var infos []fs.FileInfo
	for _, name := range headers {
		if info, err := l.disk.root.Lstat(name); err == nil && halves[name] {
			infos = append(infos, info)
		}
	}
	if len(infos) > 0 {
		seen := l.eachEntry(ctx, directory, func(e fs.DirEntry) {
			if !headersfile.Is(e.Name()) {
				return
			}
			name := path.Join(directory, e.Name())
			info, err := l.disk.root.Lstat(name)
			if err == nil && slices.ContainsFunc(infos, func(half fs.FileInfo) bool { return os.SameFile(info, half) }) {
				l.remove(name)
			}
		})
		if !seen {
			return // the temporary ones are needed to find the others
		}
	}
	for _, name := range headers {
		l.remove(name)
	}
}

// eachEntry calls f for the entries of a directory, and reports whether those were all. It reads it in pieces: there may be
// millions.
func (l *leftovers) eachEntry(ctx context.Context, directory string, f func(fs.DirEntry)) bool {
	err := l.read(directory, func(e fs.DirEntry) bool {
		if ctx.Err() == nil {
			f(e)
		}
		return ctx.Err() == nil
	})
	l.failed(err)
	return err == nil && ctx.Err() == nil
}

// read calls f for the entries of a directory until it returns false.
func (l *leftovers) read(directory string, f func(fs.DirEntry) bool) error {
	if err := l.disk.at("read directory", directory); err != nil {
		return err
	}
	dir, err := l.disk.root.Open(directory)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	for {
		entries, err := dir.ReadDir(1000)
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
