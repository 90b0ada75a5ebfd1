package readfiles

import "time"

// Waits before a file is tried again.
const (
	firstDelay = time.Second
	lastDelay  = time.Minute
)

// maxDelays bounds what is remembered about files that have failed, at half a KiB each. Of those that find no room nothing
// is counted, and they have a common pace.
const maxDelays = 20_000

// commonPace is between a file that has failed and found no room, and the next of which nothing is remembered.
const commonPace = 50 * time.Millisecond

// delay is what is remembered about a file that has failed.
type delay struct {
	tries     int       // that count
	failures  int       // all of them
	due       time.Time // when it is tried again
	blame     blame
	confirmed uint64 // how many others had been confirmed by then
	sent      string // the id of the file if it was confirmed, and not moved
	pass      uint64 // in which it was there last
}

// delays are the files that have failed.
type delays map[string]delay

// waits reports whether a file is not to be tried yet.
func (d delays) waits(name string, now time.Time) bool {
	return d[name].due.After(now)
}

// seen notes that a file is there in a pass.
func (d delays) seen(name string, pass uint64) {
	if file, known := d[name]; known {
		file.pass = pass
		d[name] = file
	}
}

// sweep forgets the files that somebody has taken away, if there is no room for others. It is called after a pass that has
// seen all.
func (d delays) sweep(pass uint64, most int) {
	if len(d) < most {
		return
	}
	for name, file := range d {
		if file.pass < pass {
			delete(d, name)
		}
	}
}

// put remembers a file, and reports whether there was room. One that was published is always remembered, or it would be
// published again; see full.
func (d delays) put(name string, with delay, most int) bool {
	if _, known := d[name]; !known && len(d) >= most && with.sent == "" && !d.makeRoom() {
		return false
	}
	d[name] = with
	return true
}

// full reports whether no file may begin of which nothing is remembered: so many were published and cannot be moved.
func (d delays) full(most int) bool { return len(d) >= 2*most }

// makeRoom forgets a file whose tries do not count. Those of others are kept, so that they come to an end.
func (d delays) makeRoom() bool {
	for name, file := range d {
		if file.blame == anything && file.sent == "" {
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
