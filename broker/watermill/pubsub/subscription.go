package pubsub

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// subscription is one call of Subscribe: a consumer with one worker for each message that may be in
// flight, which hands it to Watermill and waits until it is settled.
type subscription struct {
	subscriber *Subscriber
	topic      string
	log        *slog.Logger
	out        chan *message.Message
	sending    sync.RWMutex // held for reading to send to out, which is closed after the intake
	nacks      atomic.Int64 // since the last ack

	// intake ends when no more messages are delivered, patience when the wait for those in flight is
	// over.
	intake, patience       context.Context //nolint:containedctx // the stages of the end, one after the other
	endIntake, endPatience context.CancelFunc
	forget                 func() bool // stops watching for the subscriber's Close

	// first has why the queue could not be subscribed to the first time, nil if it was. opened is
	// whether it was at all, reopened whether it was the latest time.
	first            chan error
	told             sync.Once
	opened, reopened bool
}

var (
	_ broker.Source       = (*subscription)(nil)
	_ processor.Processor = (*subscription)(nil)
)

// errClosing is the error of a subscription that ends before it has begun.
var errClosing = errors.New("pubsub: the subscription is being closed")

func newSubscription(s *Subscriber, topic string, ctx context.Context) *subscription { //nolint:revive // it is not the call's
	sub := &subscription{
		subscriber: s, topic: topic,
		log:   s.options.log.With(slog.String("topic", topic)),
		out:   make(chan *message.Message),
		first: make(chan error, 1),
	}
	sub.intake, sub.endIntake = context.WithCancel(ctx)
	sub.patience, sub.endPatience = context.WithCancel(context.Background())
	sub.forget = context.AfterFunc(s.life, sub.endIntake) //nolint:contextcheck // two lives meet here
	context.AfterFunc(sub.intake, func() {                //nolint:contextcheck // as above
		pacing.Sleep(sub.patience, s.options.closeTimeout+afterwards)
		sub.endPatience()
	})
	return sub
}

// afterwards is the time in which a handler may notice that the context of its message has ended. It is
// less than a consumer waits for it.
const afterwards = 900 * time.Millisecond

// Subscribe declares the queue and subscribes to it.
func (s *subscription) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	o.Returning = nil // a nacked message is requeued at once
	sub, err := s.open(ctx, o)
	s.reopened = err == nil
	s.opened = s.opened || s.reopened
	s.tell(err)
	return sub, err
}

// tell says what became of the first attempt.
func (s *subscription) tell(err error) { s.told.Do(func() { s.first <- err }) }

func (s *subscription) open(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	var (
		queue string
		t     broker.Topology
	)
	if err := callback.Apart("the layout", func() { queue, t = s.subscriber.layout.subscribed(s.topic) }); err != nil {
		return nil, err
	}
	if err := s.subscriber.broker.Declare(ctx, t); err != nil {
		return nil, err
	}
	return s.subscriber.broker.Source(queue).Subscribe(ctx, o)
}

// run delivers messages until the intake is over, or the broker is closed.
func (s *subscription) run() {
	defer s.stop()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		s.reopened = false
		err := s.consume()
		s.tell(errClosing) // if the intake was over before the first attempt
		if s.reopened {
			wait = firstWait
		}
		switch {
		case !s.opened, s.intake.Err() != nil:
			return
		case err == nil, errors.Is(err, processor.ErrClosed):
			s.log.LogAttrs(s.intake, slog.LevelWarn, "the broker was closed before its subscriber")
			return
		}
		s.log.LogAttrs(s.intake, slog.LevelError, "subscription lost, trying again", logattr.Err(err), slog.Duration("wait", wait))
		pacing.Sleep(s.intake, wait)
	}
}

// Waits between attempts to subscribe, doubling.
const (
	firstWait = time.Second
	lastWait  = 30 * time.Second
)

func (s *subscription) consume() error {
	o := s.subscriber.options
	c, err := consumer.New(s, s, consumer.Workers(o.inFlight), consumer.Prefetch(o.prefetch),
		consumer.DrainTimeout(o.closeTimeout), consumer.Logger(s.log))
	if err != nil {
		return err
	}
	return c.Run(s.intake)
}

// stop ends the remaining stages. A worker that the consumer has abandoned may still be here.
func (s *subscription) stop() {
	s.forget()
	s.endIntake()
	s.endPatience()
	s.sending.Lock()
	defer s.sending.Unlock()
	close(s.out)
}
