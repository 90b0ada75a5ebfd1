package reply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
)

// office is a service whose replies to some callers are not answered. It counts how often each caller's requests are
// processed, and how many replies each has got.
type office struct {
	broker *memory.Broker
	silent func(caller string) error // nil: it answers

	mu              sync.Mutex
	processed, told map[string]int
}

func (o *office) Publish(ctx context.Context, to processor.Destination, _ processor.Envelope) error {
	err := o.silent(to.RoutingKey)
	switch {
	case errors.Is(err, processor.ErrBlocked), errors.Is(err, processor.ErrIndeterminate):
		<-ctx.Done()
		return fmt.Errorf("%w: %w", err, ctx.Err())
	case err != nil:
		return err
	}
	time.Sleep(10 * time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told[to.RoutingKey]++
	return nil
}

func (o *office) count(m map[string]int, caller string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return m[caller]
}

func (o *office) ask(t *testing.T, caller string, n int) {
	t.Helper()
	for range n {
		require.NoError(t, o.broker.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "work"},
			processor.Envelope{Properties: processor.Properties{ReplyTo: caller}}))
	}
}

// asked has others ask, and be answered, for some time.
func (o *office) asked(t *testing.T, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		o.ask(t, "well", 1)
		time.Sleep(500 * time.Millisecond)
	}
}

// runs has a service with two workers run during f.
func runs(t *testing.T, silent func(caller string) error, f func(t *testing.T, o *office), opts ...reply.Option) {
	t.Helper()
	runsWith(t, 2, silent, f, opts...)
}

func runsWith(t *testing.T, workers int, silent func(caller string) error, f func(t *testing.T, o *office), opts ...reply.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &office{broker: memory.New(), silent: silent, processed: map[string]int{}, told: map[string]int{}}
		defer func() { require.NoError(t, o.broker.Close(t.Context())) }()
		require.NoError(t, o.broker.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "work"}}}))
		pipeline, err := stack.New(ack.New(), reply.New(o, remote.JSON, opts...), recovery.New()).
			ThenFunc(func(_ context.Context, msg processor.Message) error {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.processed[msg.Properties().ReplyTo]++
				return nil
			})
		require.NoError(t, err)
		c, err := consumer.New(o.broker.Source("work"), pipeline, consumer.Workers(workers))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		f(t, o)
		cancel()
		require.NoError(t, <-ended)
	})
}

func hangs(err error) func(string) error {
	return func(caller string) error {
		if caller == "hung" {
			return err
		}
		return nil
	}
}

// switched is silent in a way that can be changed.
type switched struct {
	mu  sync.Mutex
	how func(caller string) error
}

func (s *switched) set(how func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.how = how
}

func (s *switched) silent(caller string) error {
	s.mu.Lock()
	how := s.how
	s.mu.Unlock()
	return how(caller)
}

func allWell(string) error { return nil }

// Its requests held all workers for 15 s each, came back, and were processed again, without end. The publisher may know whose the
// silence is, or not.
func TestACallerWhoseQueueDoesNotAnswerDoesNotStopTheService(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{
		processor.ErrBlocked, processor.ErrIndeterminate,
		errors.Join(processor.ErrSilent, processor.ErrBlocked), errors.Join(processor.ErrSilent, processor.ErrIndeterminate),
	} {
		runs(t, hangs(kind), func(t *testing.T, o *office) {
			o.ask(t, "hung", 1)
			o.asked(t, 18*time.Second)
			told := o.count(o.told, "well")
			require.Equal(t, 36, told)
			for i := range 100 {
				o.ask(t, "hung", 10)
				o.ask(t, "well", 1)
				time.Sleep(3 * time.Second)
				require.Equal(t, told+1+i, o.count(o.told, "well"), "it takes no longer than a look at the silent queue")
			}
			time.Sleep(time.Minute)
			require.Less(t, o.count(o.processed, "hung"), 1050, "hardly one is processed twice")
		})
	}
}

// One worker answers nobody else while it waits for a queue.
func TestACallerWhoseQueueDoesNotAnswerDoesNotStopTheOnlyWorker(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{processor.ErrBlocked, processor.ErrIndeterminate} {
		runsWith(t, 1, hangs(errors.Join(kind, processor.ErrSilent)), func(t *testing.T, o *office) {
			o.ask(t, "hung", 3)
			o.asked(t, 60*time.Second)
			time.Sleep(5 * time.Second)
			require.Equal(t, 120, o.count(o.told, "well"))
			for range 20 {
				o.ask(t, "hung", 1)
				o.asked(t, 3*time.Second)
			}
			time.Sleep(3 * time.Second)
			require.Equal(t, 240, o.count(o.told, "well"))
			require.LessOrEqual(t, o.count(o.processed, "hung"), 30)
		})
	}
}

// Each look at the silent queue was too short to show anything, and ended its silence: the next request took 15 s again.
func TestACallerThatAsksNowAndThenIsStillSilent(t *testing.T) {
	t.Parallel()
	runs(t, hangs(processor.ErrBlocked), func(t *testing.T, o *office) {
		for range 20 {
			o.ask(t, "hung", 1)
			o.asked(t, 5*time.Second)
		}
		o.asked(t, 20*time.Second)
		require.Equal(t, 240, o.count(o.told, "well"))
		require.LessOrEqual(t, o.count(o.processed, "hung"), 22, "hardly one is processed twice")
	})
}

// A caller must get its reply after an outage of the broker, however long it was.
func TestABrokerThatTakesNothingLosesNoReply(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	outage := func(string) error {
		select {
		case <-begun:
			return nil
		default:
			return processor.ErrBlocked
		}
	}
	runs(t, outage, func(t *testing.T, o *office) {
		for i := range 4 {
			o.ask(t, fmt.Sprint(i), 1)
		}
		time.Sleep(5 * time.Minute)
		close(begun)
		time.Sleep(time.Minute)
		for i := range 4 {
			require.Equal(t, 1, o.count(o.told, fmt.Sprint(i)))
		}
	})
}

// The publisher's word was enough, and with the majority of a cluster the queues of all callers are silent at once.
func TestQueuesThatAllDoNotAnswerLoseNoReply(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{processor.ErrBlocked, processor.ErrIndeterminate} {
		s := &switched{how: func(string) error { return errors.Join(processor.ErrSilent, kind) }}
		runs(t, s.silent, func(t *testing.T, o *office) {
			for i := range 4 {
				o.ask(t, fmt.Sprint(i), 1)
			}
			time.Sleep(5 * time.Minute)
			s.set(allWell)
			time.Sleep(time.Minute)
			for i := range 4 {
				require.Equal(t, 1, o.count(o.told, fmt.Sprint(i)))
			}
		})
	}
}

// fallsSilent has "hung" not answer until its silence is known.
func (o *office) fallsSilent(t *testing.T, s *switched) {
	t.Helper()
	s.set(hangs(processor.ErrBlocked))
	o.ask(t, "hung", 1)
	o.asked(t, 18*time.Second)
}

// Silent before, the caller lost its replies to what was an outage of all.
func TestASilentCallerLosesNoReplyToAnOutage(t *testing.T) {
	t.Parallel()
	s := &switched{}
	runs(t, s.silent, func(t *testing.T, o *office) {
		o.fallsSilent(t, s)
		s.set(func(string) error { return processor.ErrBlocked })
		time.Sleep(10 * time.Second)
		o.ask(t, "hung", 3)
		time.Sleep(5 * time.Minute)
		s.set(allWell)
		time.Sleep(time.Minute)
		require.Equal(t, 3, o.count(o.told, "hung"))
	})
}

// What was silent and answers again gets its replies again.
func TestACallerThatAnswersAgainIsAnswered(t *testing.T) {
	t.Parallel()
	s := &switched{}
	runs(t, s.silent, func(t *testing.T, o *office) {
		for range 5 {
			o.fallsSilent(t, s)
			o.asked(t, 2*time.Minute)
		}
		s.set(allWell)
		time.Sleep(6 * time.Second)
		for i := range 3 {
			o.ask(t, "hung", 1)
			time.Sleep(20 * time.Millisecond)
			require.Equal(t, i+1, o.count(o.told, "hung"))
		}
	})
}

// All but the first of the replies that a well caller got at the same moment were dropped, hours after it had been silent.
func TestRepliesToACallerThatMayBeWellAgainWaitForTheFirst(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{6 * time.Second, time.Hour} {
		s := &switched{}
		runs(t, s.silent, func(t *testing.T, o *office) {
			o.fallsSilent(t, s)
			s.set(allWell)
			time.Sleep(later)
			o.ask(t, "hung", 10)
			time.Sleep(time.Second)
			require.Equal(t, 10, o.count(o.told, "hung"))
		})
	}
}

// The look was never over, and each reply to the caller was dropped from then on.
func TestALookThatNeverReturnsIsOver(t *testing.T) {
	t.Parallel()
	s := &switched{}
	runs(t, s.silent, func(t *testing.T, o *office) {
		o.fallsSilent(t, s)
		time.Sleep(6 * time.Second)
		var once sync.Once
		s.set(func(caller string) error {
			if caller == "hung" {
				once.Do(runtime.Goexit)
			}
			return nil
		})
		o.ask(t, "hung", 1)
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, o.count(o.told, "hung"), "the request comes again")
	})
}

// Such an error says nothing about the queue, and ended its silence: the next reply took 15 s.
func TestWhatSaysNothingAboutTheQueueDoesNotEndItsSilence(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{processor.ErrForbidden, processor.ErrTooLarge, processor.ErrHeaderType} {
		s := &switched{}
		runs(t, s.silent, func(t *testing.T, o *office) {
			o.fallsSilent(t, s)
			time.Sleep(6 * time.Second)
			s.set(hangs(kind))
			o.ask(t, "hung", 1)
			time.Sleep(time.Second)
			s.set(hangs(processor.ErrBlocked))
			o.ask(t, "hung", 2)
			o.asked(t, 3*time.Second)
			o.ask(t, "hung", 2)
			o.ask(t, "well", 1)
			time.Sleep(20 * time.Millisecond)
			require.Equal(t, 43, o.count(o.told, "well"), "it did not wait")
		})
	}
}

// cursed is an error whose methods panic, as those of a typed nil pointer do.
type cursed struct{}

func (cursed) Error() string   { return "cursed" }
func (cursed) Is(error) bool   { panic("cursed") }
func (cursed) Unwrap() []error { panic("cursed") }

// The panic went through to the consumer, and the next reply to that caller was not sent.
func TestAnErrorOfThePublisherThatPanicsIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &switched{how: func(string) error { return cursed{} }}
		o := &office{silent: s.silent, told: map[string]int{}}
		p := reply.New(o, remote.JSON)(processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil }))
		msg := processortest.NewMessage(processortest.Properties(processor.Properties{ReplyTo: "some"}))
		require.NotPanics(t, func() { require.Equal(t, processor.Requeued, processor.Decide(p.Process(t.Context(), msg)).Action) })
		s.set(allWell)
		require.NoError(t, p.Process(t.Context(), msg))
		require.Equal(t, 1, o.told["some"])
	})
}

// Each dropped reply was a warning.
func TestASilentCallerIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} {
		var out bytes.Buffer
		s := &switched{}
		runs(t, s.silent, func(t *testing.T, o *office) {
			o.fallsSilent(t, s)
			for range 10 {
				o.ask(t, "hung", 10)
				o.asked(t, 3*time.Second)
			}
			time.Sleep(6 * time.Second)
			if answers {
				s.set(allWell)
				o.ask(t, "hung", 1)
			}
			time.Sleep(time.Hour)
			o.ask(t, "well", 1)
			time.Sleep(time.Second)
		}, reply.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		end := "forgotten"
		if answers {
			end = "answers again"
		}
		require.Equal(t, 1, strings.Count(out.String(), "replies are dropped"), out.String())
		require.Equal(t, 1, strings.Count(out.String(), end), out.String())
		require.Contains(t, out.String(), " dropped=101")
	}
}
