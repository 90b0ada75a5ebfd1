package writefiles

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/outage"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Handler returns a handler that writes each message into two files below directory, which must be there. It is safe
// for concurrent use, and belongs to one run at a time. Several handlers, also of other processes, may write into one
// directory.
//
// It returns nil when both files are on the disk. While the disk cannot be used, messages are requeued and the run is
// paused; see the package. Any other error is that of a message.
//
// The stack refuses options that cannot work. A run does not start if nothing can be written into the directory.
func Handler(directory string, opts ...Option) processor.Processor {
	c, err := newConfig(directory, opts)
	return &handler{config: c, problem: err, outage: outage.Outage{What: "the directory", Log: c.log}}
}

type handler struct {
	config
	problem error
	outage  outage.Outage

	mu      sync.Mutex
	started bool
	stopped bool      // and not started since
	opened  *disk     // nil until it is needed
	checked time.Time // when it was still the directory
}

// checkInterval is how often the directory is compared with the one that is open: somebody may have moved it away, or
// mounted another file system over it. Nothing would fail then.
const checkInterval = time.Second

var (
	_ stack.Layer       = (*handler)(nil)
	_ stack.Describer   = (*handler)(nil)
	_ stack.Starter     = (*handler)(nil)
	_ stack.Stopper     = (*handler)(nil)
	_ processor.Checker = (*handler)(nil)
)

// Name is "writefiles".
func (*handler) Name() string { return "writefiles" }

// Role is "".
func (*handler) Role() stack.Role { return "" }

// Check returns what is wrong with the options.
func (h *handler) Check() error { return h.problem }

// Settings returns where files are written.
func (h *handler) Settings() []stack.Setting {
	return []stack.Setting{{Name: "directory", Value: h.directory}, {Name: "pattern", Value: h.text}}
}

// Start tries to write into the directory, and removes what killed processes have left there.
func (h *handler) Start(ctx context.Context) error {
	if h.problem != nil {
		return h.problem
	}
	d, err := h.begin()
	if err != nil {
		return err
	}
	if err := (sample{directory: ".", body: 1, headers: 1}).try(d); err != nil {
		return errors.Join(fmt.Errorf("writefiles: nothing can be written into %q: %w", h.directory, err), h.Stop(ctx))
	}
	l := &leftovers{disk: d, before: time.Now().Add(-h.leftoverAge)}
	l.clean(ctx, ".", h.pattern.components)
	if l.removed > 0 {
		logattr.Or(h.log).LogAttrs(ctx, slog.LevelInfo, "leftover files were removed",
			slog.String("directory", h.directory), slog.Int("files", l.removed))
	}
	if err := l.problem(); err != nil { // they do no harm
		logattr.Or(h.log).LogAttrs(ctx, slog.LevelWarn, "leftover files were not removed",
			slog.String("directory", h.directory), logattr.Err(err))
	}
	h.outage.Begin(stack.RunFrom(ctx))
	return nil
}

// begin opens the directory for a run.
func (h *handler) begin() (*disk, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return nil, errors.New("writefiles: the handler is in a run already: make one for each")
	}
	d, err := h.open()
	if err == nil {
		h.started, h.stopped = true, false
	}
	return d, err
}

// open is called with mu held.
func (h *handler) open() (*disk, error) {
	if h.opened != nil && time.Since(h.checked) < checkInterval {
		return h.opened, nil
	}
	if h.opened != nil && !h.opened.is(h.directory) {
		_ = h.opened.root.Close() // what still uses it fails, and is delivered again
		h.opened = nil
	}
	if h.opened == nil {
		d, err := openDisk(&h.config)
		if err != nil {
			return nil, err
		}
		h.opened = d
	}
	h.checked = time.Now()
	return h.opened, nil
}

// errStopped is the error of a message that the consumer has given up, and that gets to the disk after the run.
var errStopped = errors.New("writefiles: the run is over")

func (h *handler) disk() (*disk, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return nil, errStopped // nobody would close it
	}
	return h.open()
}

// Stop closes the directory.
func (h *handler) Stop(context.Context) error {
	h.outage.Over()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started, h.stopped = false, true
	if h.opened == nil {
		return nil
	}
	err := h.opened.root.Close()
	h.opened = nil
	return err
}

// Process writes the message.
func (h *handler) Process(ctx context.Context, msg processor.Message) error {
	if h.problem != nil {
		return processor.Requeue(h.problem)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := h.disk()
	if errors.Is(err, errStopped) {
		return processor.Release(err)
	}
	if err != nil {
		s := sample{directory: ".", fixed: ".", body: len(msg.Body()), headers: 1}
		h.outage.Down(err, func(context.Context) error { return h.mend(s) }) //nolint:contextcheck // a pause outlives the message
		return processor.Requeue(err)
	}
	name, _ := msg.Headers().String("X-Filename")
	v := values{
		date: time.Now().Format(time.DateOnly), routingKey: msg.Origin().RoutingKey,
		msgID: msg.Properties().ID, fileName: name,
	}
	p, err := newPair(d, h.pattern, v, msg)
	if err != nil {
		return processor.Reject(fmt.Errorf("writefiles: the headers cannot be written: %w", err))
	}
	if msg.Origin().Redelivered {
		if written, err := p.written(); written {
			return h.outcome(p, err) //nolint:contextcheck // a pause outlives the message
		}
	}
	return h.outcome(p, p.write()) //nolint:contextcheck // a pause outlives the message
}

// outcome says what becomes of a message. If the disk cannot be used, the run waits until as much can be written in the
// same place. If only a directory or name cannot be used that the sender has chosen, the message has failed.
func (h *handler) outcome(p *pair, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("writefiles: %w", err)
	if !isTrouble(err) {
		return err
	}
	s := sample{directory: path.Dir(p.name(rand.Text(), "")), fixed: p.fixed(), body: len(p.body), headers: len(p.headers)}
	if isOfPlace(err) && s.elsewhere().try(p.disk) == nil {
		return err
	}
	h.outage.Down(err, func(context.Context) error { return h.mend(s) })
	return processor.Requeue(err)
}

// mend opens the directory again and tries it: another file system may have been mounted there since.
func (h *handler) mend(s sample) error {
	d, err := openDisk(&h.config)
	if err != nil {
		return err
	}
	err = s.try(d)
	if isOfPlace(err) && s.fixed != s.directory {
		err = s.elsewhere().try(d) // so the message fails when it comes again, and holds up no other
	}
	if err != nil {
		return errors.Join(err, d.root.Close())
	}
	h.mu.Lock()
	before := h.opened
	h.opened, h.checked = d, time.Now()
	h.mu.Unlock()
	if before == nil {
		return nil
	}
	return before.root.Close() // what still uses it finishes first
}
