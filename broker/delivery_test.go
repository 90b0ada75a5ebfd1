package broker_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// acks notes what reaches the broker.
type acks struct {
	mu    sync.Mutex
	calls []string
	err   error
}

var _ broker.Acknowledger = (*acks)(nil)

func (a *acks) note(format string, args ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, fmt.Sprintf(format, args...))
	return a.err
}

func (a *acks) Ack(tag uint64) error { return a.note("ack %d", tag) }
func (a *acks) Nack(tag uint64, requeue bool) error {
	return a.note("nack %d requeue=%t", tag, requeue)
}
func (a *acks) Release(tag uint64) error { return a.note("release %d", tag) }

// settlements are all the ways to settle delivery 7, and what the broker is told.
var settlements = []struct {
	name     string
	settle   func(d *broker.Delivery) error
	call     string
	returned bool
}{
	{"Ack", (*broker.Delivery).Ack, "ack 7", false},
	{"Nack", func(d *broker.Delivery) error { return d.Nack(false) }, "nack 7 requeue=false", false},
	{"Nack with requeue", func(d *broker.Delivery) error { return d.Nack(true) }, "nack 7 requeue=true", true},
	{"Release", (*broker.Delivery).Release, "release 7", true},
}

func delivery(a broker.Acknowledger) *broker.Delivery {
	return broker.NewDelivery(processor.Envelope{}, processor.Origin{}, a, 7)
}

func TestDeliveryHandsOutWhatItWasGiven(t *testing.T) {
	t.Parallel()
	e := processor.Envelope{
		Body:       []byte("body"),
		Headers:    processor.Headers{"a": int64(1)},
		Properties: processor.Properties{ID: "id", Priority: 4},
	}
	o := processor.Origin{Queue: "q", Exchange: "x", RoutingKey: "k", Redelivered: true}
	d := broker.NewDelivery(e, o, &acks{}, 7)
	require.Equal(t, e.Body, d.Body())
	require.Equal(t, e.Headers, d.Headers())
	require.Equal(t, e.Properties, d.Properties())
	require.Equal(t, o, d.Origin())
	require.False(t, d.Settled())
}

func TestDeliverySettlesOnce(t *testing.T) {
	t.Parallel()
	for _, first := range settlements {
		for _, second := range settlements {
			t.Run(first.name+", then "+second.name, func(t *testing.T) {
				t.Parallel()
				sent := &acks{}
				d := delivery(sent)
				require.False(t, d.Returned())
				require.NoError(t, first.settle(d))
				require.True(t, d.Settled())
				require.ErrorIs(t, second.settle(d), processor.ErrSettled)
				require.ErrorIs(t, second.settle(d), processor.ErrSettled, "nor the third time")
				require.True(t, d.Settled())
				require.Equal(t, first.returned, d.Returned(), "by the settlement that counted")
				require.Equal(t, []string{first.call}, sent.calls)
			})
		}
	}
}

func TestAFailedSettlementIsSpent(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken pipe")
	for _, first := range settlements {
		for _, second := range settlements {
			for _, cause := range []error{processor.ErrStale, errBroken} {
				t.Run(fmt.Sprintf("%s fails (%v), then %s", first.name, cause, second.name), func(t *testing.T) {
					t.Parallel()
					sent := &acks{err: cause}
					d := delivery(sent)
					require.ErrorIs(t, first.settle(d), cause)
					require.True(t, d.Settled())
					require.ErrorIs(t, second.settle(d), processor.ErrSettled)
					require.Equal(t, []string{first.call}, sent.calls)
				})
			}
		}
	}
}

func TestOneOfManySettlementsReachesTheBroker(t *testing.T) {
	t.Parallel()
	sent := &acks{}
	d := delivery(sent)
	var succeeded, refused atomic.Int32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 64 {
		wg.Go(func() {
			<-start
			switch err := settlements[i%len(settlements)].settle(d); {
			case err == nil:
				succeeded.Add(1)
			case errors.Is(err, processor.ErrSettled):
				refused.Add(1)
			}
			if !d.Settled() {
				t.Error("a settlement returned and the delivery is not settled")
			}
		})
	}
	close(start)
	wg.Wait()
	require.EqualValues(t, 1, succeeded.Load())
	require.EqualValues(t, 63, refused.Load())
	require.Len(t, sent.calls, 1)
}

func TestADecoratedMessageSettlesTheOriginal(t *testing.T) {
	t.Parallel()
	type decorated struct{ processor.Message }
	sent := &acks{}
	d := delivery(sent)
	require.NoError(t, decorated{decorated{d}}.Nack(true))
	require.True(t, d.Settled())
	require.ErrorIs(t, d.Ack(), processor.ErrSettled)
	require.Equal(t, []string{"nack 7 requeue=true"}, sent.calls)
}

func TestOnlyWhatFailedAndIsKeptIsHeld(t *testing.T) {
	t.Parallel()
	for _, s := range settlements {
		for _, holds := range []bool{false, true} {
			c := broker.NewChannel(broker.SubscribeOptions{})
			c.HoldsFailed = holds
			d := c.Deliver(processor.Envelope{}, processor.Origin{}, &acks{}, 7)
			require.False(t, d.Held())
			require.NoError(t, s.settle(d))
			require.Equal(t, holds && s.name == "Nack with requeue", d.Held(), s.name)
			require.Equal(t, s.returned, d.Returned(), s.name)
			c.Lose(nil)
		}
		d := delivery(&acks{})
		require.NoError(t, s.settle(d))
		require.False(t, d.Held(), "%s: nobody keeps it", s.name)
	}
}

// The ack layer had tried to settle a message of a lost channel, and the handler, which acked it
// later, was told that it had been settled.
func TestASettlementAfterOneThatWasTooLateIsTooLateAsWell(t *testing.T) {
	t.Parallel()
	for _, first := range settlements {
		for _, second := range settlements {
			late := &acks{err: fmt.Errorf("%w: the connection is lost", processor.ErrStale)}
			d := delivery(late)
			require.ErrorIs(t, first.settle(d), processor.ErrStale)
			require.ErrorIs(t, second.settle(d), processor.ErrStale, "%s, then %s", first.name, second.name)
			require.Equal(t, []string{first.call}, late.calls, "nothing more is sent")
			require.True(t, d.Settled())
		}
	}
}
