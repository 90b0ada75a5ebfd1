package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gowarren/warren/failover"
)

// screen prints a line for each event. At a terminal the last line shows the state of the stream,
// ten times a second.
type screen struct {
	out      io.Writer
	terminal bool
	begun    time.Time

	mu    sync.Mutex
	names map[string]string // of nodes, by their address
	live  string            // the last line
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, begun: time.Now(), names: map[string]string{}}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// name gives a node a name that is shorter than its address.
func (s *screen) name(address, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[address] = name
}

func (s *screen) nameOf(address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.names[address], address)
}

func (s *screen) eventf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, "%6.2f s  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
	s.redraw()
}

// status sets the last line.
func (s *screen) status(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.live = line
	s.redraw()
}

// clear and redraw are called with mu held.
func (s *screen) clear() {
	if s.live != "" {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
}

// redraw keeps the terminal from wrapping the line: only one is rewritten.
func (s *screen) redraw() {
	if s.live != "" {
		fmt.Fprintf(s.out, "\x1b[?7l%s\x1b[?7h", s.live)
	}
}

// follow shows what s does until ctx ends.
func (s *screen) follow(ctx context.Context, of *worker) {
	var running sync.WaitGroup
	running.Go(func() { s.watch(ctx, "publishing", of.broker.Publishing()) })
	running.Go(func() { s.watch(ctx, "consuming", of.broker.Consuming()) })
	if s.terminal {
		running.Go(func() { s.update(ctx, of) })
	}
	running.Wait()
}

// watch prints each reconnect.
func (s *screen) watch(ctx context.Context, what string, c *failover.Connection) {
	var last string
	for state := range c.Watch(ctx) {
		now := s.describe(state)
		if now != last && now != "" {
			s.eventf("%s %s", what, now)
			last = now
		}
	}
}

// describe says what a connection does, without the many nodes that it tries.
func (s *screen) describe(state failover.State) string {
	node := s.nameOf(state.Node)
	switch state.Phase {
	case failover.Connected:
		return "on " + node
	case failover.Blocked:
		return "on " + node + ", which blocks: " + state.Reason
	case failover.CutOff:
		return "on " + node + ", which is cut off"
	case failover.Lost:
		return "has lost " + node
	}
	return ""
}

func (s *screen) update(ctx context.Context, of *worker) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		b := of.stream.books.Books()
		s.status(fmt.Sprintf("publishing %s, consuming %s; in flight %d, confirmed %d, processed %d, again %d, to come %d; longest gap %s, %s",
			s.where(of.broker.Publishing()), s.where(of.broker.Consuming()),
			b.InFlight, b.Confirmed, b.Processed, b.Again, b.Missing, seconds(b.PublishGap), seconds(b.ProcessGap)))
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	s.status("")
}

func (s *screen) where(c *failover.Connection) string {
	return cmp.Or(s.describe(c.State()), "is connecting")
}
