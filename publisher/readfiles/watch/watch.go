// Package watch tells a reader of publisher/readfiles at once that a file has come, where the operating system can.
//
//	w, err := watch.New("/srv/maildir")
//	...
//	defer w.Close()
//	reader, err := readfiles.New("/srv/maildir", b.Publisher(), to, readfiles.WakeOn(w.C()), readfiles.Settle(0))
//
// A reader polls as well, so that nothing depends on a notification: there are none from other machines with the same
// file server.
package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// Watcher watches the directory new of a Maildir. Its methods may be called by many goroutines at once.
type Watcher struct {
	next *fsnotify.Watcher
	wake chan struct{}
	over sync.WaitGroup
	end  sync.Once
	err  error
}

// New watches directory/new, which is made if it is not there.
func New(directory string) (*Watcher, error) {
	path := filepath.Join(directory, "new")
	if err := os.Mkdir(path, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("watch: %w", err)
	}
	next, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if err := next.Add(path); err != nil {
		return nil, errors.Join(fmt.Errorf("watch: %q: %w", path, err), next.Close())
	}
	w := &Watcher{next: next, wake: make(chan struct{}, 1)}
	w.over.Go(w.work)
	return w, nil
}

// C returns the channel that something comes from when there may be a file. It is never closed.
func (w *Watcher) C() <-chan struct{} { return w.wake }

// Close ends the watching. It works twice.
func (w *Watcher) Close() error {
	w.end.Do(func() { w.err = w.next.Close() })
	w.over.Wait()
	return w.err
}

// work wakes the reader at each event, and at each error: notifications may have been lost.
func (w *Watcher) work() {
	for {
		select {
		case e, open := <-w.next.Events:
			if !open {
				return
			}
			if !e.Has(fsnotify.Create) && !e.Has(fsnotify.Write) {
				continue // such as what the reader itself moves away
			}
		case _, open := <-w.next.Errors:
			if !open {
				return
			}
		}
		select {
		case w.wake <- struct{}{}:
		default: // it is going to look
		}
	}
}
