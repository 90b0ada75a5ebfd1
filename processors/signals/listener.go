package signals

import (
	"context"
	"log/slog"
	"os"
	"os/signal"

	"github.com/gowarren/warren/internal/ending"
	"github.com/gowarren/warren/internal/logattr"
)

// listener waits for the signals of one run.
type listener struct {
	config
	end      *ending.Ending
	received chan os.Signal
	quit     chan struct{}
	ended    chan struct{}
}

func listen(end *ending.Ending, c config) *listener {
	l := &listener{
		config: c, end: end,
		received: make(chan os.Signal, 2), // only two have a meaning
		quit:     make(chan struct{}),
		ended:    make(chan struct{}),
	}
	signal.Notify(l.received, c.signals...)
	go l.listen()
	return l
}

func (l *listener) listen() {
	defer close(l.ended)
	defer signal.Stop(l.received)
	if !l.next(l.first) || l.end.Process == nil {
		return
	}
	l.next(l.second)
}

// next waits for a signal and reports whether one came.
func (l *listener) next(act func(os.Signal)) bool {
	select {
	case s := <-l.received:
		act(s)
		return true
	case <-l.quit:
		return false
	}
}

func (l *listener) first(s os.Signal) {
	l.end.Ask()
	if l.end.Process == nil {
		signal.Stop(l.received) // a second signal has no meaning
		l.report(s, "signal received, the run ends after the messages in flight; another one ends the process")
		return
	}
	l.report(s, "signal received, the run ends after the messages in flight; another one cuts them short")
}

func (l *listener) second(s os.Signal) {
	l.end.Process.Abort(nil)
	signal.Stop(l.received) // before it is logged
	l.report(s, "second signal received, the messages in flight are cut short; another one ends the process")
}

func (l *listener) report(s os.Signal, text string) {
	logattr.Or(l.log).Info(text, slog.String("signal", name(s)))
}

// close ends listening, and waits for the goroutine.
func (l *listener) close(ctx context.Context) error {
	close(l.quit)
	select {
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join adds a stop to err if the run could not be told.
func (l *listener) join(err error) error {
	if l == nil {
		return err
	}
	return l.end.Join(err)
}
