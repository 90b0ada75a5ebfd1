// Package outage keeps a run paused while something that every message needs cannot be used.
package outage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor/stack"
)

// Pauses between tries, and the time limit of one.
const (
	firstTry = 100 * time.Millisecond
	lastTry  = 30 * time.Second
	tryLimit = 10 * time.Second
)

// Outage keeps a run paused while what it needs cannot be used. Without a pause,
// requeued messages would be redelivered at once, and each time count toward the delivery limit of
// a quorum queue before RabbitMQ 4.3. Its methods may be called by many goroutines at once.
type Outage struct {
	// What cannot be used, for the log: "the database".
	What string
	// Log is where it reports; nil is slog.Default().
	Log *slog.Logger

	mu     sync.Mutex
	run    stack.Run // nil if it cannot be paused, or is over
	end    context.CancelFunc
	waits  sync.WaitGroup
	paused bool
}

// Begin takes the run; nil is one that cannot be paused.
func (o *Outage) Begin(run stack.Run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run = run
}

// Down pauses the run until try succeeds. It does nothing while the run is paused already.
func (o *Outage) Down(problem error, try func(context.Context) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.run == nil || o.paused {
		return
	}
	o.paused = true
	logattr.Or(o.Log).Warn(o.What+" cannot be used, and the run is paused", logattr.Err(problem))
	ctx, cancel := context.WithCancel(context.Background())
	o.end = cancel
	resume := o.run.Pause()
	o.waits.Go(func() {
		defer resume()
		defer o.up()
		o.wait(ctx, try)
	})
}

// up is called before the run is resumed, so that the next failure pauses it again.
func (o *Outage) up() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused = false
	o.end()
}

// wait returns when try has succeeded, or ctx has ended.
func (o *Outage) wait(ctx context.Context, try func(context.Context) error) {
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		if !pacing.Sleep(ctx, pacing.Jitter(pause)) {
			return
		}
		attempt, cancel := context.WithTimeout(ctx, tryLimit)
		err := try(attempt)
		cancel()
		if err == nil {
			logattr.Or(o.Log).Info(o.What + " can be used again, and the run goes on")
			return
		}
	}
}

// Over forgets the run, and waits until nothing is tried any more.
func (o *Outage) Over() {
	o.mu.Lock()
	o.run = nil
	if o.paused {
		o.end()
	}
	o.mu.Unlock()
	o.waits.Wait()
}
