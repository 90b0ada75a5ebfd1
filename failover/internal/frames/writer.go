package frames

import "io"

// Writer writes the client's frames to the broker. In content headers it puts a priority of 0 in
// place of [HeaderPriority0]; everything else passes unchanged. The beginning of a frame that may have
// to be changed is held until its rest is written. It is for one goroutine at a time.
type Writer struct {
	to   io.Writer
	skip int64  // of the current frame, which passes unchanged
	held []byte // the beginning of a frame
}

// NewWriter returns a writer to that one. The first bytes are those that open a connection.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to, skip: int64(len("AMQP0091"))} }

// Write implements [io.Writer]. It writes once, and keeps nothing of p.
func (w *Writer) Write(p []byte) (int, error) {
	all := p
	if len(w.held) > 0 {
		w.held = append(w.held, p...)
		all = w.held
	}
	out, rest := w.scan(all)
	if _, err := w.to.Write(out); err != nil {
		return 0, err
	}
	w.held = append(w.held[:0], rest...)
	return len(p), nil
}

// scan returns what can be written of b, which is its beginning, or another slice if a frame has
// changed, and the rest.
func (w *Writer) scan(b []byte) (out, rest []byte) {
	var changed []byte // what comes before b[from:]
	from := 0
	at := int(min(int64(len(b)), w.skip))
	w.skip -= int64(at)
	for at < len(b) {
		frame := b[at:]
		if len(frame) < headSize {
			break
		}
		size := sizeOf(frame)
		if frame[0] != typeHeader || size > maxHeld {
			passed := min(int64(len(frame)), size)
			w.skip = size - passed
			at += int(passed)
			continue
		}
		if int64(len(frame)) < size {
			break
		}
		if other, is := hidePriority0(frame[:size]); is {
			changed = append(append(changed, b[from:at]...), other...)
			from = at + int(size)
		}
		at += int(size)
	}
	if from == 0 {
		return b[:at], b[at:]
	}
	return append(changed, b[from:at]...), b[at:]
}
