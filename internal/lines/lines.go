// Package lines makes items with equal keys wait for one another.
package lines

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Lines hold items that wait, in a line for each key, while another item with that key is out. Make
// them with [New]. They may be used by many goroutines at once.
type Lines[T any] struct {
	waiting *atomic.Int64
	dropped *atomic.Uint64
	stale   func(T) bool

	mu    sync.Mutex
	lines map[string][]T // of each key that has an item out
	ready []T            // the first of their lines, waiting for Take
}

// New returns lines without items. waiting counts the items that wait. Stale items at the front of a
// line are dropped when another one joins it, so that a line that no item leaves does not grow with
// them; dropped counts these.
func New[T any](waiting *atomic.Int64, dropped *atomic.Uint64, stale func(T) bool) *Lines[T] {
	return &Lines[T]{waiting: waiting, dropped: dropped, stale: stale, lines: map[string][]T{}}
}

// Enter reports whether the item is out at once, as an item with the key "" always is. If not, it
// joins the end of the line of its key.
func (l *Lines[T]) Enter(key string, item T) (out bool) {
	if key == "" {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line, busy := l.lines[key]
	if busy {
		for len(line) > 0 && l.stale(line[0]) {
			line = behind(line)
			l.waiting.Add(-1)
			l.dropped.Add(1)
		}
		line = append(line, item)
		l.waiting.Add(1)
	}
	l.lines[key] = line
	return !busy
}

// Leave ends the turn of the item that is out. The next one in its line is ready for [Lines.Take].
func (l *Lines[T]) Leave(key string) {
	if key == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.lines[key]
	if len(line) == 0 {
		delete(l.lines, key)
		return
	}
	l.ready = append(l.ready, line[0])
	l.lines[key] = behind(line)
}

// Take takes out the item that has been ready for longest, and returns false if there is none.
func (l *Lines[T]) Take() (item T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ready) == 0 {
		return item, false
	}
	item = l.ready[0]
	l.ready = slices.Delete(l.ready, 0, 1)
	l.waiting.Add(-1)
	return item, true
}

// behind returns the line without its first item, which it does not reference any more.
func behind[T any](line []T) []T {
	var none T
	line[0] = none
	return line[1:]
}
