package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/gowarren/warren/broker"
)

// counts is how far the bridge is.
type counts struct {
	read, setAside, toRead int64 // files
	written, toWrite       int64 // messages
}

// counts asks the readers, the handlers and the broker.
func (b *bridge) counts(ctx context.Context) counts {
	var c counts
	for i, r := range b.readers {
		s := r.Stats()
		c.read += int64(s.Published)    //nolint:gosec // a count of files
		c.setAside += int64(s.SetAside) //nolint:gosec // the same
		c.toRead += waiting(b.settings.read[i].Directory)
	}
	for _, s := range b.service.States() {
		c.written += int64(s.Stats.Done) //nolint:gosec // a count of messages
		if counter, ok := b.broker.(broker.Counter); ok {
			n, _ := counter.Ready(ctx, s.Queue) // while the broker is away, nothing is ready
			c.toWrite += int64(n) + s.Stats.InHand
		}
	}
	return c
}

// waiting is how many entries the directory of new files has. It reads them in pieces.
func waiting(directory string) int64 {
	f, err := os.Open(filepath.Join(directory, "new")) //nolint:gosec // the configuration's
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for n := int64(0); ; {
		names, err := f.Readdirnames(1024)
		n += int64(len(names))
		if err != nil {
			return n
		}
	}
}

// display shows counts.
type display interface {
	io.Writer // for the log, above the bars
	show(c counts)
	end(c counts)
}

// watch shows the progress until ctx ends.
func (b *bridge) watch(ctx context.Context, d display, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.show(b.counts(ctx))
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			d.end(b.counts(ctx))
			return
		}
	}
}

// lines are a display where there is no terminal: a line when something has changed.
type lines struct {
	io.Writer
	last counts
}

func (l *lines) show(c counts) {
	if c == l.last {
		return
	}
	l.last = c
	fmt.Fprintf(l, "bridge: read %d, %d wait; written %d, %d wait", c.read, c.toRead, c.written, c.toWrite)
	if c.setAside > 0 {
		fmt.Fprintf(l, "; set aside %d", c.setAside)
	}
	fmt.Fprintln(l)
}

func (l *lines) end(c counts) { l.show(c) }

// bars are a display on a terminal.
type bars struct {
	*mpb.Progress
	read, write *mpb.Bar
}

func newBars(w io.Writer) *bars {
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(60), mpb.WithAutoRefresh())
	bar := func(name string) *mpb.Bar {
		return p.AddBar(0,
			mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.CountersNoUnit("%d of %d", decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace), decor.Elapsed(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	}
	return &bars{Progress: p, read: bar("read"), write: bar("written")}
}

func (b *bars) show(c counts) {
	b.read.SetTotal(c.read+c.toRead, false)
	b.read.SetCurrent(c.read)
	b.write.SetTotal(c.written+c.toWrite, false)
	b.write.SetCurrent(c.written)
}

func (b *bars) end(c counts) {
	b.show(c)
	b.read.Abort(false)
	b.write.Abort(false)
	b.Wait()
}

// isTerminal reports whether a user may be watching.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
