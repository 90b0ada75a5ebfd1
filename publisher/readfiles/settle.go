package readfiles

import (
	"fmt"
	"io/fs"
	"time"
)

// notSettledError is errNotNow, and when to look again.
type notSettledError struct{ until time.Time }

func (e *notSettledError) Error() string {
	return fmt.Sprintf("it may still be written until %v", e.until)
}
func (e *notSettledError) Is(target error) bool { return target == errNotNow }

// settled returns errNotNow while somebody may still write the file.
func (r *run) settled(c *claim) error {
	if r.settle == 0 {
		return nil
	}
	until := c.info.ModTime().Add(r.settle)
	if time.Since(c.info.ModTime()) < 0 {
		until = r.sightings.until(c, r.settle)
	}
	if time.Until(until) > 0 {
		return &notSettledError{until}
	}
	if hasWriter(c.file) {
		return errNotNow
	}
	return nil
}

// maxSightings bounds what is remembered about files of the future. The others wait for room.
const maxSightings = 1000

// sighting is a file as it was when it was first seen so.
type sighting struct {
	info fs.FileInfo
	at   time.Time
}

// sightings are the files whose last change lies in the future: the clock of a file server is ahead, or that of this
// machine was set back. How long they have not changed is not known, so they are watched for as long, by the clock that
// nobody sets.
type sightings struct {
	before, now map[string]sighting // by name, of the last pass and of this one
}

// pass begins a pass. What was not seen in the last one is forgotten.
func (s *sightings) pass() { s.before, s.now = s.now, map[string]sighting{} }

// until returns when a file will have been in the state of the claim for that long.
func (s *sightings) until(c *claim, settle time.Duration) time.Time {
	seen, known := s.before[c.name]
	if !known || !sameState(seen.info, c.info) {
		seen = sighting{c.info, time.Now()}
	}
	until := seen.at.Add(settle)
	if time.Until(until) > 0 && len(s.now) < maxSightings {
		s.now[c.name] = seen
	}
	return until
}
