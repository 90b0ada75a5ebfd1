package service_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// Wherever the end comes during the start, it is a regular end: Run returns nil at once, and closes what it owns.
func TestTheEndDuringTheStart(t *testing.T) {
	t.Parallel()
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	slowStart := queue("mail", nothing)
	slowStart.Stack = stack.New(func(next processor.Processor) processor.Processor { return &starter{next, waits} }, ack.New())
	for name, tc := range map[string]struct {
		declare func(context.Context) error
		opts    []service.Option
	}{
		"declare":   {waits, []service.Option{queue("mail", nothing)}},
		"verify":    {nil, []service.Option{queue("mail", nothing), service.Verify(func(ctx context.Context, _ broker.Topology) error { return waits(ctx) })}},
		"subscribe": {nil, []service.Option{queue("mail", nothing), service.Declared()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newSpy()
				b.declare = tc.declare
				s := newService(t, &never{b}, append(tc.opts, service.OwnBroker())...)
				end := started(t, s)
				time.Sleep(minute)
				synctest.Wait()
				require.False(t, isReady(s))
				begun := time.Now()
				require.NoError(t, end())
				require.Zero(t, time.Since(begun))
				require.False(t, isReady(s))
				_, closed := b.times()
				require.Equal(t, 1, closed)
			})
		})
	}
	t.Run("a layer's Start", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := memory.New()
			end := started(t, newService(t, b, slowStart, queue("other", nothing)))
			time.Sleep(minute)
			synctest.Wait()
			require.NoError(t, end())
			require.NoError(t, b.Close(t.Context()))
		})
	})
}

// The same while a handler is started again, which declares its queue.
func TestTheEndDuringARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newSpy()
		s := newService(t, b, queue("mail", stops), service.Restart(time.Second, minute))
		end := started(t, s)
		synctest.Wait()
		b.declare = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		post(t, b, "mail")
		time.Sleep(minute)
		synctest.Wait()
		require.Equal(t, service.Starting, phases(s)["mail"])
		require.NoError(t, end())
		require.Equal(t, service.Stopped, phases(s)["mail"])
		require.NoError(t, b.Broker.Close(t.Context()))
	})
}

// starter is a layer with a Start.
type starter struct {
	processor.Processor
	start func(context.Context) error
}

func (s *starter) Start(ctx context.Context) error { return s.start(ctx) }

// never is a broker that gives no subscription.
type never struct{ *spy }

func (n *never) Source(string) broker.Source { return n }

func (n *never) Subscribe(ctx context.Context, _ broker.SubscribeOptions) (broker.Subscription, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A broker, or a function, that ignores the end is not waited for.
func TestAStartThatIgnoresTheEndIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newSpy()
		b.declare = func(context.Context) error { time.Sleep(time.Hour); return errMail }
		end := started(t, newService(t, b, queue("mail", nothing), service.OwnBroker()))
		time.Sleep(minute)
		synctest.Wait()
		begun := time.Now()
		require.ErrorIs(t, end(), consumer.ErrAbandoned)
		require.LessOrEqual(t, time.Since(begun), time.Second)
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

func TestAStartThatFails(t *testing.T) {
	t.Parallel()
	b := newSpy()
	b.declare = func(context.Context) error { return broker.ErrMismatch }
	err := newService(t, b, queue("mail", nothing)).Run(t.Context())
	require.ErrorIs(t, err, broker.ErrMismatch)
	require.ErrorContains(t, err, "service: start: declare")
	require.NoError(t, b.Close(t.Context()))
}

// A broker that cannot be reached when the service ends is no reason for another status than 0.
func TestABrokerThatCannotBeClosedIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, text := newSpy(), &log{}
		b.stuck = errors.New("nobody answers")
		end := started(t, newService(t, b, text.option(), queue("mail", nothing), service.OwnBroker()))
		synctest.Wait()
		require.NoError(t, end())
		require.Contains(t, text.String(), "nobody answers")
	})
}

// It looks at all that was declared, before anything is consumed.
func TestVerify(t *testing.T) {
	t.Parallel()
	b := newSpy()
	var seen broker.Topology
	h := queue("mail", func(context.Context, processor.Message) error { return errors.New("consumed") })
	s := newService(t, b, h, service.Verify(func(ctx context.Context, topology broker.Topology) error {
		seen = topology
		_, err := b.Ready(ctx, "mail")
		return errors.Join(err, errMail)
	}))
	err := s.Run(t.Context())
	require.ErrorIs(t, err, errMail)
	require.NotErrorIs(t, err, broker.ErrNoQueue, "it is declared")
	require.ErrorContains(t, err, "verify")
	require.Equal(t, s.Topology(), seen)
	require.NoError(t, b.Close(t.Context()))
}

func TestOthersDeclare(t *testing.T) {
	t.Parallel()
	b := newSpy()
	err := newService(t, b, queue("mail", nothing), service.Declared()).Run(t.Context())
	require.ErrorIs(t, err, broker.ErrNoQueue)
	declared, closed := b.times()
	require.Zero(t, declared)
	require.Zero(t, closed, "it is not the service's")
	require.NoError(t, b.Close(t.Context()))
}
