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

// gauge reads counts. It is used by one goroutine.
type gauge struct {
	bridge   *bridge
	backlogs []backlog
	ready    map[string]int64 // by queue
}

func newGauge(b *bridge) *gauge {
	g := &gauge{bridge: b, ready: map[string]int64{}}
	for _, r := range b.settings.read {
		g.backlogs = append(g.backlogs, backlog{directory: filepath.Join(r.Directory, "new")})
	}
	return g
}

// read asks the readers, the handlers and the broker.
func (g *gauge) read(ctx context.Context) counts {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var c counts
	for i, r := range g.bridge.readers {
		s := r.Stats()
		done := int64(s.Published + s.SetAside) //nolint:gosec // a count of files
		c.read += int64(s.Published)            //nolint:gosec // the same
		c.setAside += int64(s.SetAside)         //nolint:gosec // the same
		c.toRead += g.backlogs[i].left(done)
	}
	for _, s := range g.bridge.service.States() {
		c.written += int64(s.Stats.Done) //nolint:gosec // a count of messages
		if counter, ok := g.bridge.broker.(broker.Counter); ok {
			if n, err := counter.Ready(ctx, s.Queue); err == nil { // else the broker is away, or the queue not there yet
				g.ready[s.Queue] = int64(n)
			}
		}
		c.toWrite += g.ready[s.Queue] + s.Stats.InFlight
	}
	return c
}

// backlog is how many files a directory has. It is counted now and then, since that may be a million of them.
type backlog struct {
	directory string
	n, done   int64 // files that were there, and that were done, when it was counted
	counted   time.Time
	took      time.Duration
}

// left is how many are left when so many are done.
func (b *backlog) left(done int64) int64 {
	if time.Since(b.counted) > max(time.Second, 20*b.took) {
		start := time.Now()
		b.n, b.done = entries(b.directory), done
		b.counted = time.Now()
		b.took = b.counted.Sub(start)
	}
	return max(0, b.n-(done-b.done))
}

// entries is how many a directory has. It reads them in pieces.
func entries(directory string) int64 {
	f, err := os.Open(directory) //nolint:gosec // the configuration's
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
	g := newGauge(b)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.show(g.read(ctx))
		case <-ctx.Done():
			d.end(g.read(context.WithoutCancel(ctx)))
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
