package publish

import (
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// returning is a channel with waiting publishes.
func returning(waiting ...*publish) *confirmChannel {
	c := newChannel()
	c.returns = make(chan amqp.Return, maxInFlight)
	for _, p := range waiting {
		c.begin(p)
	}
	return c
}

func (c *confirmChannel) begin(p *publish) {
	c.places.all <- struct{}{}
	c.places.join(p.to).taken <- struct{}{}
	c.register(p)
	p.tagged()
}

// confirmed is what Publish returns when the confirm has come.
func (c *confirmChannel) confirmed(p *publish) error {
	c.answered(p)
	return c.outcome(p, true, true)
}

func waitingFor(body string, headers amqp.Table) *publish {
	return &publish{
		to:      processor.Destination{RoutingKey: "nobody"},
		message: amqp.Publishing{Body: []byte(body), Headers: headers, DeliveryMode: amqp.Persistent},
	}
}

// comesBack is p as the broker returns it.
func comesBack(p *publish) amqp.Return {
	return amqp.Return{RoutingKey: "nobody", Body: p.message.Body, Headers: p.message.Headers, DeliveryMode: amqp.Persistent}
}

// Many equal messages cost the square of their number: each return was compared with each that
// waited. They are confirmed in any order.
func TestOfEqualMessagesThoseThatWereReturnedAreUnroutable(t *testing.T) {
	t.Parallel()
	for range 2000 {
		n := 1 + rand.IntN(8)
		c := returning()
		all := make([]*publish, n)
		for i := range all {
			all[i] = waitingFor("a", nil)
			c.begin(all[i])
		}
		lost := map[*publish]bool{}
		for _, i := range rand.Perm(n)[:rand.IntN(n+1)] {
			lost[all[i]] = true
			c.returns <- comesBack(all[i])
		}
		for _, i := range rand.Perm(n) {
			if lost[all[i]] {
				require.ErrorIs(t, c.confirmed(all[i]), processor.ErrUnroutable)
			} else {
				require.NoError(t, c.confirmed(all[i]))
			}
		}
		require.Empty(t, c.waiting)
	}
}

// A broker added a header, and all that waited was in doubt.
func TestAReturnThatWasRewrittenIsFound(t *testing.T) {
	t.Parallel()
	stored, lost := waitingFor("a", nil), waitingFor("a", amqp.Table{"BCC": []any{"nobody-2"}})
	c := returning(stored, lost)
	r := comesBack(lost)
	r.Headers = amqp.Table{amqpwire.HeaderTag: r.Headers[amqpwire.HeaderTag], "x-routed-by": "somebody"}
	r.Body, r.MessageId, r.Priority = []byte("changed"), "other", 9
	c.returns <- r
	require.NoError(t, c.confirmed(stored))
	require.ErrorIs(t, c.confirmed(lost), processor.ErrUnroutable)
}

// A broker may remove the tag.
func TestAReturnWithoutAKnownTagPutsAllThatWaitInDoubt(t *testing.T) {
	t.Parallel()
	for _, headers := range []amqp.Table{nil, {amqpwire.HeaderTag: "x!"}, {amqpwire.HeaderTag: int32(1)}, {amqpwire.HeaderTag: "zz"}} {
		before, waiting := waitingFor("a", nil), waitingFor("b", nil)
		c := returning(before, waiting)
		require.NoError(t, c.confirmed(before))
		c.returns <- amqp.Return{Headers: headers}
		c.takeReturns()
		later := waitingFor("c", nil)
		c.begin(later)
		require.ErrorIs(t, c.confirmed(waiting), processor.ErrIndeterminate)
		require.NoError(t, c.confirmed(later))
	}
}

func TestTheReturnOfAnAbandonedMessageHarmsNoOther(t *testing.T) {
	t.Parallel()
	first := waitingFor("message-1", nil)
	c := returning(first)
	r := comesBack(first)
	c.leave(first)
	require.Nil(t, first.message.Body, "it belongs to the caller again")
	c.answered(first)
	second := waitingFor("message-2", nil)
	c.begin(second)
	c.returns <- r
	require.NoError(t, c.confirmed(second))
}

func TestOnAChannelForOneMessageThereIsNoTag(t *testing.T) {
	t.Parallel()
	c := returning()
	c.apart = true
	p := waitingFor("a", amqp.Table{"app": int32(1)})
	c.begin(p)
	require.NotContains(t, p.message.Headers, amqpwire.HeaderTag)
	c.returns <- comesBack(p)
	require.ErrorIs(t, c.confirmed(p), processor.ErrUnroutable)
}

func TestAMessageThatWasNackedIsRefused(t *testing.T) {
	t.Parallel()
	nacked := waitingFor("a", nil)
	c := returning(nacked)
	c.returns <- amqp.Return{}
	c.answered(nacked)
	require.ErrorIs(t, c.outcome(nacked, false, true), processor.ErrRefused)
}

// With the tag a message may not become too large, for the frame or for a client that reads it.
func TestAMessageWithoutRoomForATagHasNone(t *testing.T) {
	t.Parallel()
	many := processor.Headers{}
	for i := range maxHeaders {
		many[strconv.Itoa(i)] = nil
	}
	for _, tc := range []struct {
		e     processor.Envelope
		frame int
		takes bool
	}{
		{processor.Envelope{}, 0, true},
		{processor.Envelope{}, 4096, true},
		{processor.Envelope{Headers: processor.Headers{"h": string(make([]byte, 2000))}}, 4096, true},
		{processor.Envelope{Headers: processor.Headers{"h": string(make([]byte, 2048))}}, 4096, false},
		{processor.Envelope{Headers: processor.Headers{"h": string(make([]byte, 64<<10))}}, 0, false},
		{processor.Envelope{Headers: many}, 0, false},
	} {
		require.Equal(t, tc.takes, takesTag(tc.e, tc.frame))
	}
}

func TestAPublishThatRacesWithCloseDoesNotHang(t *testing.T) {
	t.Parallel()
	l := life.New(t.Context(), slog.New(slog.DiscardHandler))
	defer l.End()
	l.Close()
	_, err := New(Broker{Life: l}).channel(t.Context())
	require.ErrorIs(t, err, processor.ErrClosed)
}
