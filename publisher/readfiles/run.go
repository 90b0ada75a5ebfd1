package readfiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// run is one call of Run. All of it belongs to the goroutine of that call; others only send results.
type run struct {
	*Reader
	dir        *maildir
	wakes      <-chan struct{}
	publishing context.Context //nolint:containedctx // it lives as long as the run, and while that drains
	stop       context.CancelFunc
	results    chan result
	inFlight   map[string]*claim
	bytes      int64 // of those
	abandoned  chan struct{}

	passes    uint64
	delays    delays
	failures  int       // in a row, since the last confirm
	goOn      time.Time // when the next file may begin, after failures
	confirmed uint64
	crowded   time.Time // when the next file may begin of which nothing is remembered, as there are too many
	crowdLog  time.Time // when the log is told of that again

	next      time.Time // when a file that was passed over may be ready
	sightings sightings
	lone      map[string]bool
	loneNext  time.Time
}

// maxBytes is how much files take in memory that are published at the same time, unless it is one.
const maxBytes = 64 << 20

// Pauses after failures.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// loop looks through the directory again and again until ctx ends or the publisher is closed.
func (r *run) loop(ctx context.Context) error {
	for troubles := 0; ctx.Err() == nil; {
		r.next = time.Now().Add(r.poll)
		before := r.confirmed
		err := r.pass(ctx)
		switch {
		case errors.Is(err, processor.ErrClosed):
			return fmt.Errorf("readfiles: nothing can be published: %w", err)
		case ctx.Err() != nil:
		case err != nil:
			troubles++
			r.log1(ctx, slog.LevelWarn, "a directory of files cannot be read, and is tried again", logattr.Err(err))
			r.next = time.Now().Add(pacing.Jitter(pacing.Doubling(firstPause, lastPause, troubles)))
			err = r.idle(ctx)
			r.reopen(ctx)
		default:
			troubles = 0
			if r.confirmed == before { // else more may have come meanwhile
				err = r.idle(ctx)
			}
		}
		if errors.Is(err, processor.ErrClosed) {
			return fmt.Errorf("readfiles: nothing can be published: %w", err)
		}
	}
	return nil
}

// pass looks through the directory once, and begins what can be. It waits for room while there is none.
func (r *run) pass(ctx context.Context) error {
	err := r.dir.current(r.directory)
	if err != nil {
		return err
	}
	r.passes++
	r.sightings.pass()
	lone := !time.Now().Before(r.loneNext)
	seen := map[string]bool{}
	listing := r.dir.each(func(e fs.DirEntry) bool {
		name := e.Name()
		r.delays.seen(name, r.passes)
		switch {
		case strings.HasPrefix(name, "."), !e.Type().IsRegular():
		case headersfile.Is(name):
			if lone {
				r.headers(ctx, name, seen)
			}
		case r.inFlight[name] != nil, r.delays.waits(name, time.Now()):
		default:
			err = r.begin(ctx, name)
		}
		return err == nil && ctx.Err() == nil
	})
	if lone {
		r.lone, r.loneNext = seen, time.Now().Add(loneInterval)
	}
	if err = errors.Join(err, listing); err == nil && ctx.Err() == nil {
		r.delays.sweep(r.passes, r.maxDelays)
	}
	return err
}

// begin publishes a file that can be claimed, as soon as there is room.
func (r *run) begin(ctx context.Context, name string) error {
	if _, known := r.delays[name]; !known {
		if r.delays.full(r.maxDelays) {
			return nil
		}
		if err := r.awaitPace(ctx); err != nil {
			return err
		}
	}
	if err := r.room(ctx, 0); err != nil {
		return err
	}
	if r.inFlight[name] != nil || r.delays.waits(name, time.Now()) {
		return nil // while it waited
	}
	start := time.Now()
	c, err := r.dir.take(name, r.settled)
	if err != nil {
		var later *notSettledError
		if errors.As(err, &later) && later.until.Before(r.next) {
			r.next = later.until
		}
		return r.note(ctx, result{claim: c, err: err, start: start})
	}
	if err := r.room(ctx, c.inMemory); err != nil {
		c.close()
		return err
	}
	r.inFlight[name] = c
	r.bytes += c.inMemory
	r.counters.inFlight.Add(1)
	sent := r.delays[name].sent
	go func() {
		select {
		case r.results <- r.deliver(c, start, sent):
		case <-r.abandoned:
			c.close()
		}
	}()
	return nil
}

// room waits until one more file with so many bytes may be published. After a failure that is one at a time, each after
// a pause, until one is confirmed.
func (r *run) room(ctx context.Context, bytes int64) error {
	for ctx.Err() == nil {
		full := len(r.inFlight) >= r.Reader.inFlight
		if len(r.inFlight) > 0 && (r.failures > 0 || r.bytes+bytes > maxBytes) {
			full = true
		}
		wait := time.Duration(-1)
		if !full {
			if wait = time.Until(r.goOn); r.failures == 0 || wait <= 0 {
				return nil
			}
		}
		if err := r.await(ctx, wait); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// awaitPace waits until the next file may begin of which nothing is remembered. While some of these fail that is one at a
// time, each after a pause if the one before has failed.
func (r *run) awaitPace(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := time.Until(r.crowded)
		switch {
		case len(r.inFlight) > 0 && wait > -time.Minute:
			wait = -1
		case wait <= 0:
			return nil
		}
		if err := r.await(ctx, wait); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// await waits for a result, for that long; -1 is without end.
func (r *run) await(ctx context.Context, most time.Duration) error {
	var over <-chan time.Time
	if most >= 0 {
		t := time.NewTimer(most)
		defer t.Stop()
		over = t.C
	}
	select {
	case result := <-r.results:
		return r.end(ctx, result)
	case <-over:
	case <-ctx.Done():
	}
	return nil
}

// idle waits until there may be something to do.
func (r *run) idle(ctx context.Context) error {
	next := r.next
	if due := r.delays.earliest(time.Now()); !due.IsZero() {
		// Not for each by itself: there may be many, and all of the directory is looked through.
		if soon := time.Now().Add(min(r.poll, time.Second)); due.Before(soon) {
			due = soon
		}
		if due.Before(next) {
			next = due
		}
	}
	t := time.NewTimer(time.Until(next))
	defer t.Stop()
	for {
		select {
		case result := <-r.results:
			if err := r.end(ctx, result); err != nil {
				return err
			}
			continue
		case _, open := <-r.wakes:
			if !open {
				r.wakes = nil
				continue
			}
		case <-t.C:
		case <-ctx.Done():
		}
		return nil
	}
}

// end ends what begin has begun.
func (r *run) end(ctx context.Context, result result) error {
	defer result.claim.close()
	delete(r.inFlight, result.claim.name)
	r.bytes -= result.claim.inMemory
	r.counters.inFlight.Add(-1)
	return r.note(ctx, result)
}

// grace is how long a publisher may take to see that the context has ended.
const grace = time.Second

// finish waits for all that is in flight. What ignores the end of its context is abandoned.
func (r *run) finish() error {
	defer time.AfterFunc(r.drain, r.stop).Stop()
	over := time.NewTimer(r.drain + grace)
	defer over.Stop()
	for len(r.inFlight) > 0 {
		select {
		case result := <-r.results:
			_ = r.end(r.publishing, result)
		case <-over.C:
			return r.abandon()
		}
	}
	return nil
}

// abandon leaves what is in flight to its goroutines. They move nothing any more, but what they are moving now.
func (r *run) abandon() error {
	for _, c := range r.inFlight {
		c.decide()
	}
	close(r.abandoned)
	r.counters.inFlight.Add(-int64(len(r.inFlight)))
	return fmt.Errorf("%w: %d files", ErrAbandoned, len(r.inFlight))
}

// reopen opens the directory again: another file system may have been mounted there since.
func (r *run) reopen(ctx context.Context) {
	if len(r.inFlight) > 0 || ctx.Err() != nil {
		return // they have to be moved
	}
	dir, err := openMaildir(r.directory, &r.config)
	if err != nil {
		r.log1(ctx, slog.LevelWarn, "a directory of files cannot be opened, and is tried again", logattr.Err(err))
		return
	}
	_ = r.dir.close()
	r.dir = dir
}

func (r *run) log1(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	logattr.Or(r.log).LogAttrs(ctx, level, text, append(attrs, slog.String("directory", r.directory))...)
}
