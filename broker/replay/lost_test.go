package replay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
)

// losing is a broker whose channels can be lost.
type losing struct {
	*memory.Broker

	subs []broker.Subscription
}

func (l *losing) Source(queue string) broker.Source {
	return losingSource{l, l.Broker.Source(queue)}
}

func (l *losing) lose(t *testing.T) {
	t.Helper()
	for _, sub := range l.subs {
		require.NoError(t, sub.Close(t.Context()))
	}
}

type losingSource struct {
	broker *losing
	broker.Source
}

func (s losingSource) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	sub, err := s.Source.Subscribe(ctx, o)
	s.broker.subs = append(s.broker.subs, sub)
	return sub, err
}

// once calls f the n-th time.
func once(n int, f func()) func() {
	return func() {
		if n--; n == 0 {
			f()
		}
	}
}

func TestAnAckThatIsLostDoublesOneMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &losing{Broker: open(t)}
		park(t, b, parkedQueue, 100, nil)
		lose := once(30, func() { b.lose(t) })
		route := func(msg processor.Message) (processor.Destination, error) {
			lose()
			return fromMail(msg)
		}
		counts, err := replay.Run(t.Context(), b, parkedQueue, route)
		require.NoError(t, err)
		require.Equal(t, replay.Counts{Total: 100, Seen: 101, Moved: 101}, counts)
		require.Zero(t, ready(t, b, parkedQueue))
		all := ids(t, b.Broker, "mail", 101)
		require.Equal(t, []string{"28", "29", "29", "30"}, all[28:32])
	})
}

// The 64 messages of the first page go back, and come again on the third. They are counted anew.
func TestALostChannelOfWhatIsHeldIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &losing{Broker: open(t)}
		park(t, b, parkedQueue, 300, nil)
		lose := once(70, func() { require.NoError(t, b.subs[0].Close(t.Context())) })
		seen := map[string]bool{}
		counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Filter(func(msg processor.Message) bool {
			lose()
			seen[msg.Properties().ID] = true
			return msg.Properties().ID == "299"
		}))
		require.NoError(t, err)
		require.Len(t, seen, 300)
		require.Equal(t, replay.Counts{Total: 300, Seen: 300, Moved: 1, Left: 299}, counts)
		require.Equal(t, 299, ready(t, b, parkedQueue))
	})
}

// Equal messages that have been delivered before cannot be told apart.
func TestEqualMessagesAreNotTakenForOneThatWasLost(t *testing.T) {
	t.Parallel()
	b := open(t)
	for range 100 {
		put(t, b, parkedQueue, processor.Envelope{Headers: headers(nil)})
	}
	for range 2 {
		counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.DryRun())
		require.NoError(t, err)
		require.Equal(t, replay.Counts{Total: 100, Seen: 100, Moved: 100}, counts)
	}
	require.Equal(t, 100, ready(t, b, parkedQueue))
}

func TestChannelsThatAreAlwaysLostEndTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &losing{Broker: open(t)}
		park(t, b, parkedQueue, 10, nil)
		counts, err := replay.Run(t.Context(), b, parkedQueue, func(msg processor.Message) (processor.Destination, error) {
			b.lose(t)
			return fromMail(msg)
		})
		require.ErrorIs(t, err, processor.ErrStale)
		require.Equal(t, 3, counts.Moved)
		require.Equal(t, 3, ready(t, b, "mail"))
		require.Equal(t, 10, ready(t, b, parkedQueue))
	})
}

func TestASourceThatEndsIsAnError(t *testing.T) {
	t.Parallel()
	b := &losing{Broker: open(t)}
	park(t, b, parkedQueue, 10, nil)
	lose := once(3, func() { b.lose(t) })
	_, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Filter(func(processor.Message) bool {
		lose()
		return false
	}))
	require.Error(t, err)
	require.Equal(t, 10, ready(t, b, parkedQueue))
}

func TestAPublisherThatIsClosedEndsTheRun(t *testing.T) {
	t.Parallel()
	b := closedPublisher{open(t)}
	park(t, b.Broker, parkedQueue, 10, nil)
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail)
	require.ErrorIs(t, err, processor.ErrClosed)
	require.Zero(t, counts.Seen)
	require.Equal(t, 10, ready(t, b, parkedQueue))
}

type closedPublisher struct{ *memory.Broker }

func (closedPublisher) Publisher() processor.Publisher {
	return processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
		return errors.Join(processor.ErrClosed)
	})
}
