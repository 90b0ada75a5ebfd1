package readfiles

import "time"

// Waits before a file is tried again.
const (
	firstDelay = time.Second
	lastDelay  = time.Minute
)

// maxDelays bounds what is remembered about files that have failed. One that is not remembered is tried early, and
// counted anew.
const maxDelays = 1000

// delay is what is remembered about a file that has failed.
type delay struct {
	tries     int       // that count
	failures  int       // all of them
	due       time.Time // when it is tried again
	blame     blame
	confirmed uint64 // how many others had been confirmed by then
	sent      string // the id of the file if it was confirmed, and not moved
}

// delays are the files that have failed.
type delays map[string]delay

// waits reports whether a file is not to be tried yet.
func (d delays) waits(name string, now time.Time) bool {
	return d[name].due.After(now)
}

// put remembers a file.
func (d delays) put(name string, with delay) {
	if _, known := d[name]; known || len(d) < maxDelays || d.makeRoom() {
		d[name] = with
	}
}

// makeRoom forgets a file whose tries do not count. Those of others are kept, so that they come to an end.
func (d delays) makeRoom() bool {
	for name, file := range d {
		if file.blame == anything {
			delete(d, name)
			return true
		}
	}
	return false
}

// forgive makes files due that failed by no fault of theirs.
func (d delays) forgive() {
	for name, file := range d {
		if file.blame == anything {
			file.due = time.Time{}
			d[name] = file
		}
	}
}

// earliest returns when the first file is due; the zero time if none waits.
func (d delays) earliest(now time.Time) (first time.Time) {
	for _, file := range d {
		if file.due.After(now) && (first.IsZero() || file.due.Before(first)) {
			first = file.due
		}
	}
	return first
}
