package databasetest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/outbox"
)

// byKey has what begins with k as one key.
func byKey(_ processor.Destination, e processor.Envelope) string {
	if strings.HasPrefix(string(e.Body), "k") {
		return "k"
	}
	return ""
}

// The first message of a key fell due after a read had passed it, and before the same read came to the second.
func TestAMessageThatFallsDueDuringAReadKeepsItsPlace(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["sqlite"])
	s := &partly{sink: newSink(), silent: only(hung)}
	p := must.Have(outbox.New(d.dialect, outbox.OrderBy(byKey)))
	d.write(t, p, served, "k1")
	d.write(t, p, hung, numbered("h", 5)...)
	d.write(t, p, served, "k2")
	must.Have(d.ExecContext(t.Context(), "UPDATE warren_outbox SET state = 1, due_at = ? WHERE seq = 1", time.Now().Add(time.Hour).UnixMilli()))
	var reads atomic.Int64
	falls := d.onRead(t, func() {
		if reads.Add(1) == 2 { // the first while another destination is late
			must.Have(d.ExecContext(context.Background(), "UPDATE warren_outbox SET due_at = 0 WHERE seq = 1"))
		}
	})
	falls.relay(t, s, outbox.Workers(1), outbox.Lease(5*time.Second), outbox.Poll(50*time.Millisecond))
	require.Equal(t, []string{"k1", "k2"}, s.take(t, 2))
}

// While a batch was in the air, all that was behind it was read four times a second. With a short lease nothing was ever written down.
func TestALongBacklogForADestinationInFlightIsNotRead(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["sqlite"])
	const messages = 10_000
	d.write(t, must.Have(outbox.New(d.dialect)), served, numbered("", messages)...)
	var published atomic.Int64
	slow := &slowly{func(_ processor.Destination, batch []processor.Envelope) error {
		time.Sleep(300 * time.Millisecond) // a round trip
		published.Add(int64(len(batch)))
		return nil
	}}
	tedious := d.onRead(t, func() { time.Sleep(100 * time.Millisecond) })
	tedious.relay(t, slow, outbox.Workers(1), outbox.Lease(time.Second), outbox.Poll(50*time.Millisecond))
	require.Eventually(t, func() bool { return published.Load() >= 2500 }, 30*time.Second, 10*time.Millisecond)
	require.LessOrEqual(t, d.count(t, "warren_outbox"), messages-1500, "what was confirmed is deleted")
}

// slowly is a publisher of batches.
type slowly struct {
	publish func(to processor.Destination, batch []processor.Envelope) error
}

func (s *slowly) PublishBatch(_ context.Context, to processor.Destination, batch []processor.Envelope) []error {
	if err := s.publish(to, batch); err != nil {
		return []error{err}
	}
	return nil
}

func (s *slowly) Publish(_ context.Context, to processor.Destination, e processor.Envelope) error {
	return s.publish(to, []processor.Envelope{e})
}

// One worker took all slots, and kept those of which it published nothing from all others.
func TestAWorkerKeepsNoSlotsOfWhichNothingIsInFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := &partly{sink: newSink(), silent: only(hung)}
		p := must.Have(outbox.New(d.dialect))
		d.write(t, p, hung, numbered("h", 600)...)
		r, _ := d.relay(t, s, outbox.Workers(1), outbox.Batch(5), outbox.Lease(time.Minute), outbox.Poll(50*time.Millisecond))
		for i := range 20 { // each by a look
			d.write(t, p, served, fmt.Sprint(i))
			r.Wake()
			require.Equal(t, fmt.Sprint(i), s.next(t))
		}
		require.Eventually(t, func() bool { return d.count(t, "warren_outbox_slots WHERE owner <> ''") <= 5 }, 5*time.Second, 10*time.Millisecond)
	})
}

// What others had brought was forgotten at the end of the lease, and published again.
func TestABatchThatOutlastsTheLeaseCostsNoOtherItsConfirm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		end := make(chan struct{})
		s := newSink()
		s.answer = func(to processor.Destination, _ processor.Envelope) error {
			if to == hung {
				<-end // a write that the network does not take
			}
			return nil
		}
		ends := processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
			if to == served {
				<-ctx.Done() // the answer comes in the last moment
			}
			return s.Publish(context.WithoutCancel(ctx), to, e)
		})
		p := must.Have(outbox.New(d.dialect))
		d.write(t, p, hung, "h")
		d.write(t, p, served, "s")
		_, stop := d.relay(t, ends, outbox.Workers(1), outbox.Lease(3*time.Second), outbox.Poll(50*time.Millisecond))
		require.Equal(t, "s", s.next(t))
		require.Eventually(t, func() bool { return d.count(t, "warren_outbox") == 1 }, 900*time.Millisecond, 10*time.Millisecond)
		require.Eventually(t, func() bool {
			return d.count(t, "warren_outbox_slots WHERE owner <> '' AND until > "+fmt.Sprint(time.Now().UnixMilli())) == 0
		}, 10*time.Second, 10*time.Millisecond, "the lease is over")
		close(end)
		require.Equal(t, "h", s.next(t))
		require.Eventually(t, func() bool { return d.count(t, "warren_outbox") == 0 }, 2*time.Second, time.Millisecond, "it is deleted also after the lease")
		stop()
		require.Len(t, s.Published(), 2)
	})
}
