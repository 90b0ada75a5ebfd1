package readfiles

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Result is what has become of a file in one try.
type Result uint8

// The results.
const (
	// Published: the broker has confirmed it, and it was moved.
	Published Result = iota
	// Retried: it is in its place, and will be tried again.
	Retried
	// SetAside: it will not be tried again.
	SetAside
)

// String returns the result in lower case.
func (r Result) String() string {
	switch r {
	case Published:
		return "published"
	case Retried:
		return "retried"
	case SetAside:
		return "set aside"
	}
	return fmt.Sprintf("Result(%d)", uint8(r))
}

// Event is one try to publish a file.
type Event struct {
	// Name is that of the file in the directory new. It may be no UTF-8.
	Name string
	// Result is what has become of the file.
	Result Result
	// ID is the id of the message, "" if the file could not be read.
	ID string
	// Bytes is the size of the body.
	Bytes int64
	// Took is how long the try took, most of which is the wait for the confirm.
	Took time.Duration
	// Err is why it was not published, nil if it was.
	Err error
}

// Stats are counts since the reader was made.
type Stats struct {
	// Published is how many files were confirmed and moved, and Bytes how much they had.
	Published, Bytes uint64
	// Retried is how many tries failed whose file is tried again.
	Retried uint64
	// SetAside is how many files will not be tried again.
	SetAside uint64
	// InFlight is how many files are being published now.
	InFlight int64
}

type counters struct {
	published, bytes, retried, setAside atomic.Uint64
	inFlight                            atomic.Int64
}

// Stats returns the counts so far. It may be called at any time.
func (r *Reader) Stats() Stats {
	c := &r.counters
	return Stats{
		Published: c.published.Load(), Bytes: c.bytes.Load(), Retried: c.retried.Load(),
		SetAside: c.setAside.Load(), InFlight: c.inFlight.Load(),
	}
}
