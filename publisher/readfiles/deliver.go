package readfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/gowarren/warren/internal/callback"
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

// deliver publishes a file and moves it to cur. It runs in a goroutine of its own. A file that was confirmed before in
// this state is only moved.
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
	if !c.decide() {
		return done // the run has ended without it
	}
	err = r.dir.move(c, dirCur, r.dir.free(dirCur, c.name))
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist) && !r.dir.taken(filepath.Join(dirNew, c.name)): // it was taken away
	case errors.Is(err, errNotNow):
		done.sent, done.err = "", errNotNow // what was published is not what is there
	default:
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
