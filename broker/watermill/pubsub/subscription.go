package pubsub

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// subscription is one call of Subscribe. It has one worker for each message that may be in flight,
// which takes a message and waits until it is settled.
type subscription struct {
	subscriber *Subscriber
	topic      string
	log        *slog.Logger
	out        chan *message.Message

	// intake ends when no more messages are delivered, work when those in flight have had their
	// time, and patience when the wait for them is over.
	intake, work, patience context.Context //nolint:containedctx // the stages of the end, each after the other
	endIntake, endPatience context.CancelFunc
	endWork                context.CancelCauseFunc
	forget                 func() bool // stops watching for the subscriber's Close
}

// errClosing is the cause with which the contexts of messages in flight end.
var errClosing = errors.New("pubsub: the subscription is being closed, and the message has had its time")

func newSubscription(s *Subscriber, topic string, ctx context.Context) *subscription { //nolint:revive // it is not the call's
	sub := &subscription{
		subscriber: s, topic: topic,
		log: s.options.log.With(slog.String("topic", topic)),
		out: make(chan *message.Message),
	}
	sub.intake, sub.endIntake = context.WithCancel(ctx)
	sub.work, sub.endWork = context.WithCancelCause(context.WithoutCancel(ctx))
	sub.patience, sub.endPatience = context.WithCancel(context.Background())
	sub.forget = context.AfterFunc(s.life, sub.endIntake) //nolint:contextcheck // two lives meet here
	return sub
}

// open declares the queue and subscribes to it.
func (s *subscription) open(ctx context.Context) (broker.Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	defer context.AfterFunc(s.intake, cancel)() //nolint:contextcheck // two lives meet here
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
	return s.subscriber.broker.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: s.subscriber.options.prefetch, Base: s.work})
}

// run delivers messages until the intake is over, or the broker closed.
func (s *subscription) run(sub broker.Subscription) {
	defer close(s.out)
	defer s.stop()
	go s.wind()
	for {
		err := s.serve(sub)
		s.leave(sub)
		if s.intake.Err() != nil {
			return
		}
		if sub = s.reopen(err); sub == nil {
			return
		}
	}
}

// stop ends all remaining stages.
func (s *subscription) stop() {
	s.forget()
	s.endIntake()
	s.endWork(nil)
	s.endPatience()
}

// wind ends one stage after the other, once the intake is over.
func (s *subscription) wind() {
	<-s.intake.Done()
	pacing.Sleep(s.patience, s.subscriber.options.closeTimeout)
	s.endWork(errClosing)
	pacing.Sleep(s.patience, afterwards)
	s.endPatience()
}

// afterwards is the time for a handler to notice that the context of its message has ended.
const afterwards = time.Second

// serve runs the workers, and returns why the subscription has ended.
func (s *subscription) serve(sub broker.Subscription) error {
	var (
		workers sync.WaitGroup
		once    sync.Once
		err     error
	)
	for range s.subscriber.options.inFlight {
		w := worker{subscription: s}
		workers.Go(func() {
			ended := w.run(sub)
			once.Do(func() { err = ended })
		})
	}
	workers.Wait()
	return err
}

// leave requeues what was not settled.
func (s *subscription) leave(sub broker.Subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := sub.Close(ctx); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "subscription not closed in time; its messages go back when the broker notices", logattr.Err(err))
	}
}

const leaveTimeout = 2 * time.Second

// reopen subscribes again after err, until that works. It returns nil if the subscription has
// ended.
func (s *subscription) reopen(err error) broker.Subscription {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		if errors.Is(err, io.EOF) || errors.Is(err, processor.ErrClosed) {
			s.log.LogAttrs(s.intake, slog.LevelWarn, "the broker was closed before its subscriber")
			return nil
		}
		s.log.LogAttrs(s.intake, slog.LevelError, "subscription lost, trying again", logattr.Err(err), slog.Duration("wait", wait))
		pacing.Sleep(s.intake, wait)
		var sub broker.Subscription
		if sub, err = s.open(s.intake); err == nil {
			return sub
		}
		if s.intake.Err() != nil {
			return nil
		}
	}
}
