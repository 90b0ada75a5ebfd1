package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gowarren/warren/broker/replay"
)

// isTerminal reports whether a user may be watching.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress shows the progress of the run: as a bar on a terminal, and as a line now and then
// elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	last     time.Time
}

func newProgress(out io.Writer, terminal bool) *progress {
	p := &progress{out: out, terminal: terminal, every: 5 * time.Second, last: time.Now()}
	if terminal {
		p.every = 100 * time.Millisecond
	}
	return p
}

// show is called after each message.
func (p *progress) show(c replay.Counts) {
	if time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	p.print(c)
}

// end shows the last state, and leaves the line.
func (p *progress) end(c replay.Counts) {
	if p.terminal {
		p.print(c)
		fmt.Fprintln(p.out)
	}
}

const width = 30

func (p *progress) print(c replay.Counts) {
	text := fmt.Sprintf("%d of %d: %d moved, %d left, %d failed", c.Seen, c.Total, c.Moved, c.Left, c.Failed)
	if !p.terminal {
		fmt.Fprintln(p.out, text)
		return
	}
	done := width
	if c.Seen < c.Total {
		done = width * c.Seen / c.Total
	}
	// Back to the beginning of the line, and clear the rest of the last one.
	fmt.Fprintf(p.out, "\r[%s%s] %s\x1b[K", strings.Repeat("#", done), strings.Repeat(".", width-done), text)
}
