package acks

import "time"

// Flush sends what is finished.
func (l *Ledger[M]) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil || l.finished == 0 {
		return l.closed
	}
	return l.flush()
}

// FlushFull sends what is finished if the prefetch is used up: the broker sends nothing more before
// it has some of it.
func (l *Ledger[M]) FlushFull() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil || l.finished == 0 || !l.isFull() {
		return l.closed
	}
	return l.flush()
}

// flush acks the prefix with one frame, and what is finished above it singly.
func (l *Ledger[M]) flush() error {
	if err := l.flushPrefix(); err != nil {
		return err
	}
	return l.flushUpTo(l.book.latest)
}

// flushUpTo acks singly what is finished, up to a tag.
func (l *Ledger[M]) flushUpTo(tag uint64) error {
	if l.finished == 0 {
		return nil
	}
	for _, e := range l.book.in(finished) {
		if e.tag > tag {
			break
		}
		if err := l.wire.Ack(e.tag, false); err != nil {
			return l.fail(err)
		}
		l.finished--
	}
	l.book.removeFinished(tag)
	return nil
}

// flushPrefix acks what is finished from the oldest delivery on.
func (l *Ledger[M]) flushPrefix() error {
	n := l.book.prefix()
	if n == 0 {
		return nil
	}
	// The broker closes the channel over a tag that is not outstanding. This one is.
	if err := l.wire.Ack(l.book.outstanding()[n-1].tag, n > 1); err != nil {
		return l.fail(err)
	}
	l.finished -= n
	l.book.removePrefix(n)
	return nil
}

// tick starts the timer that limits how long a finished delivery waits.
func (l *Ledger[M]) tick() {
	switch {
	case l.ticking:
		return
	case l.timer == nil:
		l.timer = time.AfterFunc(maxDelay, l.tock)
	default:
		l.timer.Reset(maxDelay)
	}
	l.ticking = true
}

// tock is called after maxDelay, and then every moreDelay for as long as a delivery is finished. It
// fails only if the channel is lost.
//
// What is finished above an unfinished delivery gets another moreDelay: of several workers one is
// always in the middle of a message, and a moment later all of them are in the prefix.
func (l *Ledger[M]) tock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticking = false
	if l.closed != nil || l.finished == 0 || l.flushPrefix() != nil || l.flushUpTo(l.due) != nil {
		return
	}
	if l.due = l.book.highest(finished); l.due > 0 {
		l.timer.Reset(moreDelay)
		l.ticking = true
	}
}
