package reply_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
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
	if err := o.silent(to.RoutingKey); err != nil {
		<-ctx.Done()
		return fmt.Errorf("%w: %w", err, ctx.Err())
	}
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

// runs has a service with two workers run during f.
func runs(t *testing.T, silent func(caller string) error, f func(t *testing.T, o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &office{broker: memory.New(), silent: silent, processed: map[string]int{}, told: map[string]int{}}
		defer func() { require.NoError(t, o.broker.Close(t.Context())) }()
		require.NoError(t, o.broker.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "work"}}}))
		pipeline, err := stack.New(ack.New(), reply.New(o, remote.JSON), recovery.New()).
			ThenFunc(func(_ context.Context, msg processor.Message) error {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.processed[msg.Properties().ReplyTo]++
				return nil
			})
		require.NoError(t, err)
		c, err := consumer.New(o.broker.Source("work"), pipeline, consumer.Workers(2))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		f(t, o)
		cancel()
		require.NoError(t, <-ended)
	})
}

func answersNot(caller string, err error) func(string) error {
	return func(c string) error {
		if c == caller {
			return err
		}
		return nil
	}
}

// Its requests held all workers for 15 s each, came back, and were processed again, without end.
func TestACallerWhoseQueueDoesNotAnswerDoesNotStopTheService(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{processor.ErrBlocked, processor.ErrIndeterminate} {
		runs(t, answersNot("hung", errors.Join(processor.ErrSilent, kind)), func(t *testing.T, o *office) {
			o.ask(t, "hung", 2)
			o.ask(t, "well", 1)
			time.Sleep(16 * time.Second)
			require.Equal(t, 1, o.count(o.told, "well"))
			for i := range 100 {
				o.ask(t, "hung", 10)
				o.ask(t, "well", 1)
				time.Sleep(2 * time.Second)
				require.Equal(t, 2+i, o.count(o.told, "well"), "it takes no longer than a look at the silent queue")
			}
			time.Sleep(time.Minute)
			require.Equal(t, 1002, o.count(o.processed, "hung"), "each is processed once")
		})
	}
}

// A publisher that cannot tell whose the silence is.
func TestTheAnswersToOtherCallersShowThatAQueueDoesNotAnswer(t *testing.T) {
	t.Parallel()
	runs(t, answersNot("hung", processor.ErrBlocked), func(t *testing.T, o *office) {
		o.ask(t, "hung", 1)
		for range 60 {
			o.ask(t, "well", 1)
			time.Sleep(time.Second)
		}
		require.Equal(t, 60, o.count(o.told, "well"))
		require.Equal(t, 1, o.count(o.processed, "hung"))
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

// What was silent and answers again gets its replies again.
func TestACallerThatAnswersAgainIsAnswered(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	well := false
	silent := func(caller string) error {
		mu.Lock()
		defer mu.Unlock()
		if caller == "hung" && !well {
			return errors.Join(processor.ErrSilent, processor.ErrBlocked)
		}
		return nil
	}
	runs(t, silent, func(t *testing.T, o *office) {
		for range 10 {
			o.ask(t, "hung", 1)
			time.Sleep(16 * time.Second)
		}
		mu.Lock()
		well = true
		mu.Unlock()
		time.Sleep(6 * time.Second)
		for i := range 3 {
			o.ask(t, "hung", 1)
			synctest.Wait()
			require.Equal(t, i+1, o.count(o.told, "hung"))
		}
	})
}
