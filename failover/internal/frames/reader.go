package frames

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
)

const (
	headSize  = 7 // type, channel, size of the payload
	frameSize = headSize + 1
	frameEnd  = 0xCE

	typeMethod = 1
	typeHeader = 2

	// maxHeld is the largest frame that is held to be changed. Of a larger one only what
	// tombstone needs is kept.
	maxHeld = 1 << 20
)

// Reader reads frames from a source. It is for one goroutine, but for Limit.
type Reader struct {
	source io.Reader
	limit  atomic.Int64

	skip    int64  // of the current frame, which passes unchanged
	discard int64  // of the current frame, which is to be replaced
	held    []byte // the beginning of a frame whose rest has not been read yet
	ready   []byte // to be returned before anything else
	pending []byte // read from the source, and not looked at yet
	err     error  // with which the source has ended
	greeted bool   // the first frame has been seen
	tables  tables
}

// NewReader returns a reader of source.
func NewReader(source io.Reader) *Reader { return &Reader{source: source} }

// Limit sets the largest frame that the client accepts, in bytes. Default, also for 0: no limit.
func (r *Reader) Limit(bytes int) { r.limit.Store(int64(bytes)) }

// Read implements [io.Reader]. It reads into p and passes most frames on from there. A frame with a
// table that p does not hold to its end is held until its rest has been read.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		switch {
		case len(p) == 0:
			return 0, nil
		case len(r.ready) > 0:
			n := copy(p, r.ready)
			r.ready = r.ready[n:]
			return n, nil
		}
		n, err := r.advance(p)
		switch {
		case n > 0:
			return n, nil // an error comes again
		case err == nil || len(r.ready) > 0:
		case len(r.held) > 0 && !isTimeout(err):
			r.ready, r.held = r.held, nil // it will never be whole
		default:
			return 0, err
		}
	}
}

// advance reads once, and returns how many bytes of p can be returned.
func (r *Reader) advance(p []byte) (int, error) {
	switch {
	case r.discard > 0:
		n, err := r.more(p[:min(int64(len(p)), r.discard)])
		if r.discard -= int64(n); r.discard == 0 {
			r.ready, r.held = tombstone(r.held), nil
		}
		return 0, err
	case len(r.held) >= len(p):
		return 0, r.complete()
	}
	before := copy(p, r.held)
	n, err := r.more(p[before:])
	if n == 0 {
		return 0, err
	}
	r.held = r.held[:0]
	return r.scan(p[:before+n]), err
}

// more reads what was put aside, and then the source.
func (r *Reader) more(p []byte) (int, error) {
	switch {
	case len(r.pending) > 0:
		n := copy(p, r.pending)
		r.pending = r.pending[n:]
		return n, nil
	case r.err != nil:
		return 0, r.err
	}
	n, err := r.source.Read(p)
	if err != nil && !isTimeout(err) {
		r.err = err
	}
	return n, err
}

// scan looks at the frames in b, and returns how many bytes of it can be returned. What comes after
// these is in held, or in ready and pending.
func (r *Reader) scan(b []byte) int {
	at := int(min(int64(len(b)), r.skip))
	r.skip -= int64(at)
	for at < len(b) {
		frame := b[at:]
		if len(frame) < headSize {
			r.held = append(r.held, frame...)
			return at
		}
		size := sizeOf(frame)
		switch {
		case !r.hasTable(frame):
			passed := min(int64(len(frame)), size)
			r.skip = size - passed
			at += int(passed)
		case int64(len(frame)) < size:
			r.held = append(r.held, frame...)
			return at
		default:
			r.greeted = true
			changed, inPlace := r.change(frame[:size])
			if !inPlace {
				r.ready = changed
				r.pending = slices.Concat(frame[size:], r.pending)
				return at
			}
			at += int(size)
		}
	}
	return at
}

// hasTable reports whether the frame may have to be changed.
func (r *Reader) hasTable(frame []byte) bool {
	if frame[0] == typeHeader {
		return true
	}
	if !r.greeted && frame[0] == typeMethod && sizeOf(frame) <= maxHeld {
		return true
	}
	r.greeted = true
	return false
}

// complete reads more of the frame that is held, and no further.
func (r *Reader) complete() error {
	want := int64(headSize)
	if len(r.held) >= headSize {
		want = sizeOf(r.held)
		if !r.hasTable(r.held) { // only its head had to be held
			r.skip = want - int64(len(r.held))
			r.ready, r.held = r.held, nil
			return nil
		}
		if want > maxHeld {
			if len(r.held) >= tombstoneSize {
				r.discard = want - int64(len(r.held))
				return nil
			}
			want = tombstoneSize
		}
	}
	have := len(r.held)
	r.held = slices.Grow(r.held, min(int(want)-have, 64<<10))
	n, err := r.more(r.held[have:min(int(want), cap(r.held))])
	r.held = r.held[:have+n]
	if len(r.held) > headSize && int64(len(r.held)) == sizeOf(r.held) {
		r.greeted = true
		r.ready, _ = r.change(r.held)
		r.held = nil
	}
	return err
}

// sizeOf is the size of the frame that begins with head.
func sizeOf(head []byte) int64 { return int64(binary.BigEndian.Uint32(head[3:])) + frameSize }

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
