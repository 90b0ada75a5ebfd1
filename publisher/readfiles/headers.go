package readfiles

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/regular"
)

const (
	loneInterval = time.Minute // between looks at headers without a body
	loneAge      = time.Hour   // of those that will not be completed
)

// loneReason is the text beside them then.
const loneReason = "This headers file had no body for an hour. If its body is somewhere, move this file into the directory\n" +
	"new first, and then the body.\n"

// headers looks at a headers file. One without a body is left from a reader that was killed between its two moves, or
// its body is about to come. Those that are old and have been so at two looks are set aside.
func (r *run) headers(ctx context.Context, name string, seen map[string]bool) {
	body := name[:len(name)-len(headersfile.Suffix)]
	if r.inFlight[body] != nil {
		return
	}
	if _, err := r.dir.dir.Lstat(body); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	info, err := r.dir.dir.Lstat(name)
	if err != nil || time.Since(info.ModTime()) < loneInterval || r.dir.rejoin(body, r.maxSize) {
		return
	}
	if time.Since(info.ModTime()) < loneAge || len(seen) >= maxDelays {
		return
	}
	if !r.lone[name] {
		seen[name] = true
		return
	}
	file := slog.String("file", excerpt.Of(name, 256))
	if err := r.dir.setAside(&claim{name: name, info: info}, loneReason); err != nil {
		r.log1(ctx, slog.LevelWarn, "headers without a body were not set aside", file, logattr.Err(err))
		return
	}
	r.counters.setAside.Add(1)
	r.log1(ctx, slog.LevelWarn, "headers without a body were set aside", file)
}

// rejoin moves a headers file to its body, if that is in cur already.
func (m *maildir) rejoin(body string, limit int64) bool {
	headers, info, err := regular.Read(m.dir, body+headersfile.Suffix, headersfile.MaxSize)
	if err != nil {
		return false
	}
	moved := filepath.Join(dirCur, body)
	content, _, err := regular.Read(m.root, moved, limit)
	if err != nil || m.taken(moved+headersfile.Suffix) {
		return false
	}
	return headersfile.Names(headers, content) && m.moveHeaders(body, info, dirCur, body) == nil
}
