package readfiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// note writes down what has become of a file. It returns an error only if nothing can be published any more.
func (r *run) note(ctx context.Context, done result) error {
	if done.err == nil {
		r.noteConfirm(ctx, done)
		return nil
	}
	fault := judge(done.err)
	if fault == nobody || r.publishing.Err() != nil { // or the reader ends
		return nil //nolint:nilerr // the file stays as it was
	}
	d := r.delays[done.claim.name]
	r.count(&d, fault)
	if fault == forGood || fault != anything && r.tries != processor.NoLimit && d.tries >= r.tries {
		err := r.dir.setAside(done.claim, reason(done, d))
		if errors.Is(err, errNotNow) || errors.Is(err, fs.ErrNotExist) && !r.dir.taken(filepath.Join(dirNew, done.claim.name)) {
			delete(r.delays, done.claim.name)
			return nil // it was replaced by another, or taken away
		}
		if err == nil {
			delete(r.delays, done.claim.name)
			r.counters.setAside.Add(1)
			r.tell(ctx, done, SetAside, slog.LevelError)
			return nil
		}
		done.err = &troubleError{fmt.Errorf("it cannot be set aside: %w; it failed with: %w", err, done.err)}
		fault = anything
	}
	return r.noteFailure(ctx, done, d, fault)
}

func (r *run) noteConfirm(ctx context.Context, done result) {
	r.confirmed++
	if r.failures > 0 {
		r.failures = 0
		r.delays.forgive()
	}
	delete(r.delays, done.claim.name)
	r.counters.published.Add(1)
	r.counters.bytes.Add(uint64(done.claim.size())) //nolint:gosec // not negative
	r.tell(ctx, done, Published, slog.LevelDebug)
}

// noteFailure has a file wait until it is tried again, and all others for a moment unless it alone is to blame.
func (r *run) noteFailure(ctx context.Context, done result, d delay, fault blame) error {
	d.failures++
	d.due = time.Now().Add(pacing.Jitter(pacing.Doubling(firstDelay, lastDelay, d.failures)))
	d.blame, d.confirmed, d.sent, d.pass = fault, r.confirmed, done.sent, r.passes
	level := slog.LevelWarn
	if !r.delays.put(done.claim.name, d, r.maxDelays) {
		level = slog.LevelDebug
		r.noteCrowd(ctx)
	}
	if fault == anything || fault == perhaps {
		r.failures++
		r.goOn = time.Now().Add(pacing.Jitter(pacing.Doubling(firstPause, lastPause, r.failures)))
	}
	r.counters.retried.Add(1)
	r.tell(ctx, done, Retried, level)
	if errors.Is(done.err, errPublish) && errors.Is(done.err, processor.ErrClosed) {
		return done.err
	}
	return nil
}

// noteCrowd slows down the files that find no room among those that are remembered, and says so once a minute for all.
func (r *run) noteCrowd(ctx context.Context) {
	now := time.Now()
	r.crowded = now.Add(commonPace)
	if now.Before(r.crowdLog) {
		return
	}
	r.crowdLog = now.Add(time.Minute)
	r.log1(ctx, slog.LevelWarn, "more files cannot be published than are remembered: the others are tried one at a time, and their tries are not counted",
		slog.Int("remembered", len(r.delays)))
}

// count counts a try that may be the fault of the file. One that may not be published is to blame only if others
// are confirmed between its tries.
func (r *run) count(d *delay, fault blame) {
	if fault == theFile || fault == forGood || fault == perhaps && (d.failures == 0 || r.confirmed > d.confirmed) {
		d.tries++
	}
}

// reason is the text beside a file that is set aside.
func reason(done result, d delay) string {
	return fmt.Sprintf("%s\n\nThis file was not published, and will not be tried again. Move it and its headers file, if it has one,\n"+
		"into the directory new to have it tried again, and delete this text.\n\nerror: %s\ntries: %d\nmessage id: %s\nbytes: %d\n",
		time.Now().Format(time.RFC3339), excerpt.Error(done.err, 4<<10), d.tries, excerpt.Of(done.id, 1<<10), done.claim.size())
}

// tell tells the log and the callback about a file.
func (r *run) tell(ctx context.Context, done result, became Result, level slog.Level) {
	text := "a file was published"
	switch became {
	case Published:
	case Retried:
		text = "a file was not published, and is tried again"
	case SetAside:
		text = "a file was not published, and is set aside"
	}
	attrs := []slog.Attr{
		slog.String("file", excerpt.Of(done.claim.name, 256)), slog.String("message_id", excerpt.Of(done.id, 256)),
	}
	if done.err != nil {
		attrs = append(attrs, logattr.Err(done.err))
	}
	r.log1(ctx, level, text, attrs...)
	if r.onFile == nil {
		return
	}
	event := Event{
		Name: done.claim.name, Result: became, ID: done.id,
		Bytes: done.claim.size(), Took: time.Since(done.start), Err: done.err,
	}
	if err := callback.Apart("readfiles: the function given to OnFile", func() { r.onFile(event) }); err != nil {
		r.log1(ctx, slog.LevelError, "a file was not told", logattr.Err(err))
	}
}
