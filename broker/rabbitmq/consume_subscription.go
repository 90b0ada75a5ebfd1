package rabbitmq

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// subscription consumes one queue through one generation after another, each opened by the
// goroutine supervise.
type subscription struct {
	broker  *Broker
	queue   string
	options broker.SubscribeOptions

	view    atomic.Pointer[view]
	life    context.Context //nolint:containedctx // ends with Close; no generation is opened after it
	end     context.CancelFunc
	stopped chan struct{} // closed when there will be no more messages
	done    chan struct{} // closed when supervise has returned
	asked   chan struct{} // wakes supervise after a pause or resume; has room for one

	stop     sync.Once // closes stopped
	err      error     // why the subscription broke; set before stopped is closed
	timedOut timedOut
	shut     *life.Task

	// supervise's own:
	failures int                       // generations in a row that did not last
	last     *generation               // the lost one, until it is replaced
	begin    any                       // where the next consumer of a stream begins; nil if the queue is none
	late     *life.Called[*generation] // being opened, also during a pause; nil if none is

	mu      sync.Mutex
	paused  bool
	current *generation     // nil during a pause, once nothing is in flight
	idle    <-chan struct{} // closed when nothing is in flight; nil if current was not paused
	back    chan struct{}   // closed when what was not received is requeued; nil after that
	forget  func()          // cancels the opening of a generation; nil if there is none
}

// view is what Receive sees until something changes.
type view struct {
	generation *generation
	deliveries <-chan amqp.Delivery // nil during a pause
	over       chan struct{}        // closed when the view is replaced, or the intake ends
}

var _ broker.Subscription = (*subscription)(nil)

func newSubscription(b *Broker, queue string, o broker.SubscribeOptions) *subscription {
	s := &subscription{
		broker: b, queue: queue, options: o,
		stopped: make(chan struct{}), done: make(chan struct{}), asked: make(chan struct{}, 1),
		shut: life.NewTask(), timedOut: newTimedOut(), begin: o.Consumer.Offset,
	}
	s.life, s.end = context.WithCancel(b.life.Context())
	return s
}

// start opens the first generation within ctx.
func (s *subscription) start(ctx context.Context) error {
	// The first generation ends with the broker too, not only with ctx.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)() //nolint:contextcheck // two lives meet here

	g, err := s.open(ctx)
	if err != nil {
		s.end()
		s.leaveLate()
		return err
	}
	s.set(g)
	if !s.broker.life.Go(s.supervise) {
		s.end()
		return life.ErrClosed
	}
	//nolint:contextcheck // not the caller's: Receive returns when the broker is closed
	context.AfterFunc(s.life, s.interrupt)
	return nil
}

// Receive waits for the next message of the current generation.
func (s *subscription) Receive(ctx context.Context) (*broker.Delivery, error) {
	for {
		if msg, ok, err := s.receive(ctx, s.view.Load()); ok || err != nil {
			return msg, err
		}
	}
}

// receive waits for the next message of a view. It returns false if there is another view, or the message is redelivered.
func (s *subscription) receive(ctx context.Context, v *view) (*broker.Delivery, bool, error) {
	if v.deliveries != nil && v.generation.isStream() {
		defer v.generation.position.take()()
	}
	d, ok, err := s.next(ctx, v)
	if !ok {
		return nil, false, err
	}
	msg, ok := v.generation.receive(&d)
	if ok && s.timedOut.take(msg) {
		s.count(v.generation, &d, msg)
		return nil, false, nil
	}
	return msg, ok, nil
}

// next waits for a delivery, and returns false when the view has changed.
func (s *subscription) next(ctx context.Context, v *view) (d amqp.Delivery, ok bool, err error) {
	switch {
	case ctx.Err() != nil:
		return d, false, ctx.Err()
	case isClosed(s.stopped):
		return d, false, s.reason()
	}
	select {
	case d, ok = <-v.deliveries:
	default:
		v.flush()
		select { // few cases: each costs every worker that waits
		case d, ok = <-v.deliveries:
		case <-v.over:
			return d, false, nil
		case <-ctx.Done():
			return d, false, ctx.Err()
		}
	}
	if ok {
		return d, true, nil
	}
	// Closed: a zero delivery is no message. Wait for the next view.
	select {
	case <-v.over:
		return d, false, nil
	case <-ctx.Done():
		return d, false, ctx.Err()
	}
}

// flush sends the acks that wait for others if the broker waits for them. It fails only if the
// channel is lost.
func (v *view) flush() {
	if v.generation != nil {
		_ = v.generation.acks.FlushFull()
	}
}

func (s *subscription) reason() error {
	if s.err != nil {
		return s.err
	}
	return io.EOF
}

// set makes g the current generation, paused if the subscription is.
func (s *subscription) set(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.idle = g, nil
	if s.paused && g != nil {
		s.idle = g.acks.Pause()
	}
	s.show()
}

// show gives Receive another view. The caller holds mu.
func (s *subscription) show() {
	v := &view{generation: s.current, over: make(chan struct{})}
	if v.generation != nil && !s.paused {
		v.deliveries = v.generation.deliveries
	}
	if old := s.view.Swap(v); old != nil {
		close(old.over)
	}
}

// Pause stops Receive until Resume. What was delivered and not received is requeued at once, or
// with [broker.SubscribeOptions.Ordered] once nothing is in flight. Then back is closed.
func (s *subscription) Pause() (back <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.paused:
	case s.current == nil:
		s.paused = true
		if s.forget != nil {
			s.forget()
		}
	default:
		s.paused = true
		s.idle = s.current.acks.Pause()
		s.show()
		if s.back == nil { // else the previous pause has not ended yet
			s.back = make(chan struct{})
		}
	}
	s.ask()
	if s.back == nil || isClosed(s.done) {
		return closed
	}
	return s.back
}

// Resume goes on, on the current channel or the next.
func (s *subscription) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = false
	s.ask()
}

// cameBack notes that a pause has nothing more to requeue.
func (s *subscription) cameBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellBack()
}

// tellBack closes back. The caller holds mu.
func (s *subscription) tellBack() {
	if s.back != nil {
		close(s.back)
		s.back = nil
	}
}

// closed is a channel that is always closed.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// ask wakes supervise to look at what is due.
func (s *subscription) ask() {
	select {
	case s.asked <- struct{}{}:
	default: // it will look anyway
	}
}

// interrupt ends the intake: Receive returns, and no generation is opened any more.
func (s *subscription) interrupt() {
	s.end()
	s.halt(nil)
}

// fail ends the intake because the subscription cannot continue.
func (s *subscription) fail(err error) {
	s.halt(err)
}

// halt ends the intake. A goroutine that waits in Receive finds a new view, which shows the end.
func (s *subscription) halt(err error) {
	s.stop.Do(func() {
		s.err = err
		close(s.stopped)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.show()
	})
}

// Close ends the intake and requeues what is unsettled, all at once: one by one it would go to the
// tail of a quorum queue. If ctx ends first, that is done in the background.
func (s *subscription) Close(ctx context.Context) error {
	s.interrupt()
	err := s.shut.Do(ctx, s.broker.life, func() { //nolint:contextcheck // it outlives the call
		<-s.done // current is the last generation now
		if s.current != nil {
			s.leave(s.current)
		}
		s.broker.unsubscribed(s.queue)
	})
	if err != nil {
		return fmt.Errorf("rabbitmq: close channel of queue %q: %w", s.queue, err)
	}
	return nil
}
