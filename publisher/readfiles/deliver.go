package readfiles

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// result is what has become of a claim.
type result struct {
	claim *claim
	start time.Time
	id    string
	sent  string // the id of the file, if the broker has confirmed it
	err   error
}

// deliver publishes a file and moves it to cur. It runs in a goroutine of its own. A file that was confirmed before in this state is only moved.
func (r *run) deliver(c *claim, start time.Time, sent string) result {
	done := result{claim: c, start: start}
	m, err := r.message(c)
	if err != nil {
		done.err = err
		return done
	}
	done.id = m.envelope.ID
	r.dir.at("read")
	if sent != m.file {
		if done.err = r.publish(m.envelope); done.err != nil {
			return done
		}
	}
	done.sent = m.file
	r.dir.at("confirmed")
	if c.changed() {
		done.sent, done.err = "", errNotNow // what was published is not what is there
		return done
	}
	if err := r.dir.move(c.name, dirCur, r.dir.free(dirCur, c.name)); err != nil {
		done.err = &troubleError{fmt.Errorf("it was published, and cannot be moved to cur: %w", err)}
	}
	r.dir.at("moved")
	return done
}

func (r *run) publish(e processor.Envelope) error {
	var err error
	problem := callback.Apart("readfiles: the publisher", func() { err = r.Reader.next.Publish(r.publishing, r.to, e) })
	if err = errors.Join(problem, err); err != nil {
		return fmt.Errorf("%w: %w", errPublish, err)
	}
	return nil
}

// note writes down what has become of a file. It returns an error only if nothing can be published any more.
func (r *run) note(ctx context.Context, done result) error {
	if done.err == nil {
		r.confirmed++
		if r.failures > 0 {
			r.failures = 0
			r.delays.forgive()
		}
		delete(r.delays, done.claim.name)
		r.counters.published.Add(1)
		r.counters.bytes.Add(uint64(done.claim.size())) //nolint:gosec // not negative
		r.tell(ctx, done, Published)
		return nil
	}
	fault := judge(done.err)
	switch {
	case fault == nobody:
		return nil
	case r.publishing.Err() != nil:
		return nil // the reader ends
	}
	d := r.delays[done.claim.name]
	if fault == forGood || r.counts(&d, fault) {
		if err := r.dir.setAside(done.claim.name, reason(done, d)); err == nil {
			delete(r.delays, done.claim.name)
			r.counters.setAside.Add(1)
			r.tell(ctx, done, SetAside)
			return nil
		} else {
			done.err = &troubleError{fmt.Errorf("it cannot be set aside: %w; it failed with: %w", err, done.err)}
		}
	}
	d.failures++
	d.due = time.Now().Add(pacing.Jitter(pacing.Doubling(firstDelay, lastDelay, d.failures)))
	d.blame, d.confirmed, d.sent = fault, r.confirmed, done.sent
	r.delays.put(done.claim.name, d)
	if fault == anything || fault == perhaps {
		r.failures++
		r.goOn = time.Now().Add(pacing.Jitter(pacing.Doubling(firstPause, lastPause, r.failures)))
	}
	r.counters.retried.Add(1)
	r.tell(ctx, done, Retried)
	if errors.Is(done.err, errPublish) && errors.Is(done.err, processor.ErrClosed) {
		return done.err
	}
	return nil
}

// counts counts a try, and reports whether it was the last. A file that the broker refuses is to blame only if others are confirmed
// between its tries.
func (r *run) counts(d *delay, fault blame) bool {
	if fault == theFile || fault == perhaps && (d.failures == 0 || r.confirmed > d.confirmed) {
		d.tries++
	}
	return r.tries != processor.NoLimit && d.tries >= r.tries && fault != anything
}

// reason is the text beside a file that is set aside.
func reason(done result, d delay) string {
	return fmt.Sprintf("%s\n\nThis file was not published, and will not be tried again. Move it and its headers file, if it has one,\n"+
		"into the directory new to have it tried again, and delete this text.\n\nerror: %s\ntries: %d\nmessage id: %s\nbytes: %d\n",
		time.Now().Format(time.RFC3339), excerpt.Error(done.err, 4<<10), max(d.tries, 1), excerpt.Of(done.id, 1<<10), done.claim.size())
}

// tell tells the log and the callback about a file.
func (r *run) tell(ctx context.Context, done result, became Result) {
	level, text := slog.LevelDebug, "a file was published"
	switch became {
	case Published:
	case Retried:
		level, text = slog.LevelWarn, "a file was not published, and is tried again"
	case SetAside:
		level, text = slog.LevelError, "a file was not published, and is set aside"
	}
	attrs := []slog.Attr{slog.String("file", excerpt.Of(done.claim.name, 256)), slog.String("message_id", excerpt.Of(done.id, 256))}
	if done.err != nil {
		attrs = append(attrs, logattr.Err(done.err))
	}
	r.log1(ctx, level, text, attrs...)
	if r.onFile == nil {
		return
	}
	event := Event{Name: done.claim.name, Result: became, ID: done.id, Bytes: done.claim.size(), Took: time.Since(done.start), Err: done.err}
	if err := callback.Apart("readfiles: the function given to OnFile", func() { r.onFile(event) }); err != nil {
		r.log1(ctx, slog.LevelError, "a file was not told", logattr.Err(err))
	}
}
