package sqltx

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor/stack"
)

// Pauses between tries while the database is down, and the time limit of one.
const (
	firstTry = 100 * time.Millisecond
	lastTry  = 30 * time.Second
	tryLimit = 10 * time.Second
)

// outage keeps the run paused while the database cannot begin a transaction. Without a pause,
// requeued messages would be redelivered at once, and each time count toward the delivery limit of
// a quorum queue before RabbitMQ 4.3.
type outage struct {
	log *slog.Logger
	try func(context.Context) error

	mu     sync.Mutex
	run    stack.Run // nil if it cannot be paused, or is over
	end    context.CancelFunc
	waits  sync.WaitGroup
	paused bool
}

// begin takes the run.
func (o *outage) begin(run stack.Run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run = run
}

// down pauses the run until the database can be used again.
func (o *outage) down(problem error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.run == nil || o.paused {
		return
	}
	o.paused = true
	logattr.Or(o.log).Warn("the database cannot be used, and the run is paused", logattr.Err(problem))
	ctx, cancel := context.WithCancel(context.Background())
	o.end = cancel
	resume := o.run.Pause()
	o.waits.Go(func() {
		defer resume()
		defer o.up()
		o.wait(ctx)
	})
}

// up is called before the run is resumed, so that the next failure pauses it again.
func (o *outage) up() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused = false
	o.end()
}

// wait returns when the database can be used again, or ctx has ended.
func (o *outage) wait(ctx context.Context) {
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		if !pacing.Sleep(ctx, pacing.Jitter(pause)) {
			return
		}
		attempt, cancel := context.WithTimeout(ctx, tryLimit)
		err := o.try(attempt)
		cancel()
		if err == nil {
			logattr.Or(o.log).Info("the database can be used again, and the run goes on")
			return
		}
	}
}

// over forgets the run.
func (o *outage) over() {
	o.mu.Lock()
	o.run = nil
	if o.paused {
		o.end()
	}
	o.mu.Unlock()
	o.waits.Wait()
}
