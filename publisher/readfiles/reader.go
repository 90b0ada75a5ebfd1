package readfiles

import (
	"context"
	"errors"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// ErrAbandoned is returned by a run whose publisher ignored the end of its context. The files stay in new, and keep their
// locks until the publisher returns; they are not moved then, so that they are published again.
var ErrAbandoned = errors.New("readfiles: a publisher that did not return after the end of its context was abandoned")

// Reader publishes the files of a directory. Any number of readers, in any number of processes of one machine, may work
// on one directory.
type Reader struct {
	config
	directory string
	to        processor.Destination
	next      processor.Publisher
	counters  counters
}

// New returns a reader that publishes the files in directory/new to a destination through next. It does nothing before
// [Reader.Run].
//
// The error is about wrong options, an empty directory or destination, and a next that is nil or cannot work
// ([processor.Check]), or that writes into a transaction.
func New(directory string, next processor.Publisher, to processor.Destination, opts ...Option) (*Reader, error) {
	c, err := newConfig(opts)
	errs := []error{err, option.Sender("readfiles: the publisher", next)}
	if directory == "" {
		errs = append(errs, errors.New("readfiles: the directory is empty: name one"))
	}
	if to == (processor.Destination{}) {
		errs = append(errs, errors.New("readfiles: there is no destination: name a queue or an exchange"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Reader{config: c, directory: directory, to: to, next: next}, nil
}

// Run publishes files until ctx ends, and then returns nil when those in flight are confirmed and moved, or the time
// for that is over ([DrainTimeout]). It returns an error at once if there is no directory or files cannot be locked or moved in it, and later only when the
// publisher is closed, or a second after DrainTimeout, when it ignores its context ([ErrAbandoned]). Trouble with the broker or the disk is logged, and tried again. It may be called again after it
// has returned.
func (r *Reader) Run(ctx context.Context) error {
	dir, err := openMaildir(r.directory, &r.config)
	if err != nil {
		return err
	}
	publishing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	work := &run{
		Reader: r, dir: dir, wakes: r.wake, inFlight: map[string]*claim{}, delays: delays{}, lone: map[string]bool{},
		results: make(chan result), publishing: publishing, stop: stop, abandoned: make(chan struct{}),
	}
	err = work.loop(ctx)
	return errors.Join(err, work.finish(), work.dir.close())
}
