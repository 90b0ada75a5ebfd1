package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// program is the service, and what observes it.
type program struct {
	*settings

	service *worker
	screen  *screen
	report  *report
	calm    time.Duration // between faults, and after one is repaired
	down    time.Duration // how long a node is dead
}

func newProgram(set *settings, out io.Writer, log *slog.Logger) *program {
	s := newWorker(set, log)
	return &program{
		settings: set, service: s, screen: newScreen(out), report: &report{books: s.stream.books},
		calm: 2 * time.Second, down: 5 * time.Second,
	}
}

// beside runs the service, follows it on the screen, and runs script once the queues are declared.
// When script ends, so does the service.
func (p *program) beside(ctx context.Context, urls []string, script func(context.Context)) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	enough, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer cancel() // of the script, if there is nothing left to break
		ended <- p.service.run(ctx, enough, urls)
	}()
	select {
	case <-p.service.opened:
	case err := <-ended:
		return err
	}
	watching, blind := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.screen.follow(watching, p.service)
	}()
	defer func() { // also if script ends its goroutine
		close(enough)
		err = errors.Join(err, <-ended)
		blind()
		<-watched
	}()
	script(ctx)
	return nil
}

// settle waits until all messages confirmed so far have arrived, and returns how many are still
// missing after a while.
func (p *program) settle(ctx context.Context) int {
	books := p.service.stream.books
	sent := books.Books().Sent
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	until(ctx, func() bool { return books.Missing(sent) <= p.report.lost })
	return books.Missing(sent)
}

// until checks a condition again and again, and reports whether it came true before ctx ended.
func until(ctx context.Context, condition func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
