package publish

import (
	"log/slog"
	"math/rand/v2"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/processor"
)

// returning is a channel with waiting publishes.
func returning(waiting ...*publish) *confirmChannel {
	c := &confirmChannel{waiting: map[*publish]struct{}{}, slots: make(chan struct{}, 100), returns: make(chan amqp.Return, 100)}
	for _, p := range waiting {
		c.begin(p)
	}
	return c
}

func (c *confirmChannel) begin(p *publish) {
	c.slots <- struct{}{}
	c.register(p)
}

// confirmed is what Publish returns when the confirm has come.
func (c *confirmChannel) confirmed(p *publish) error {
	c.answered(p, true)
	return c.outcome(p, true, true)
}

func waitingFor(body string, headers amqp.Table) *publish {
	return &publish{
		to:      processor.Destination{RoutingKey: "nobody"},
		message: amqp.Publishing{Body: []byte(body), Headers: headers, DeliveryMode: amqp.Persistent},
	}
}

func comesBack(body string, headers amqp.Table) amqp.Return {
	return amqp.Return{RoutingKey: "nobody", Body: []byte(body), Headers: headers, DeliveryMode: amqp.Persistent}
}

// Two equal messages, published in one order and confirmed in the other.
func TestEqualMessagesThatAreBothReturnedAreBothUnroutable(t *testing.T) {
	t.Parallel()
	first, second, other := waitingFor("a", nil), waitingFor("a", amqp.Table{}), waitingFor("b", nil)
	c := returning(first, second, other)
	c.returns <- comesBack("a", nil)
	require.ErrorIs(t, c.confirmed(second), processor.ErrUnroutable)
	c.returns <- comesBack("a", nil)
	require.ErrorIs(t, c.confirmed(first), processor.ErrUnroutable)
	require.NoError(t, c.confirmed(other))
}

// In whatever order the answers come, as many equal messages succeed as are stored.
func TestOfEqualMessagesAsManySucceedAsAreStored(t *testing.T) {
	t.Parallel()
	for range 2000 {
		n := 1 + rand.IntN(8)
		c := returning()
		all, stored, succeeded := make([]*publish, n), 0, 0
		routed := map[*publish]bool{}
		for i := range all {
			all[i] = waitingFor("a", nil)
			c.begin(all[i])
			routed[all[i]] = rand.IntN(2) == 0
			if routed[all[i]] {
				stored++
			}
		}
		rand.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] }) // the order on the wire
		var answerable []*publish
		for len(all) > 0 || len(answerable) > 0 {
			if len(all) > 0 && (len(answerable) == 0 || rand.IntN(2) == 0) {
				if !routed[all[0]] {
					c.returns <- comesBack("a", nil) // before its confirm
				}
				answerable, all = append(answerable, all[0]), all[1:]
				continue
			}
			i := rand.IntN(len(answerable)) // which wakes up first
			if c.confirmed(answerable[i]) == nil {
				succeeded++
			}
			answerable = append(answerable[:i], answerable[i+1:]...)
		}
		require.Equal(t, stored, succeeded)
		require.Empty(t, c.unclaimed)
	}
}

func TestAMessageThatWasNackedHasNoClaimToAReturn(t *testing.T) {
	t.Parallel()
	nacked, lost := waitingFor("a", nil), waitingFor("a", nil)
	c := returning(nacked, lost)
	c.returns <- comesBack("a", nil)
	c.answered(nacked, false)
	require.ErrorIs(t, c.confirmed(lost), processor.ErrUnroutable)
}

// The broker removes BCC from returned messages.
func TestMessagesThatDifferInWhatTheBrokerHidesAreAllInDoubt(t *testing.T) {
	t.Parallel()
	stored := waitingFor("a", amqp.Table{"BCC": []any{"somebody"}})
	lost := waitingFor("a", amqp.Table{"BCC": []any{"nobody-2"}})
	other := waitingFor("b", nil)
	c := returning(stored, lost, other)
	c.returns <- comesBack("a", nil)
	require.NoError(t, c.confirmed(other))
	for _, p := range []*publish{stored, lost} {
		require.ErrorIs(t, c.confirmed(p), processor.ErrIndeterminate)
	}
}

func TestOneMessageWithABCCIsFound(t *testing.T) {
	t.Parallel()
	p := waitingFor("a", amqp.Table{"BCC": []any{"nobody-2"}, "app": int32(1)})
	c := returning(p)
	c.returns <- comesBack("a", amqp.Table{"app": int32(1)})
	require.ErrorIs(t, c.confirmed(p), processor.ErrUnroutable)
	require.Contains(t, p.message.Headers, "BCC", "the comparison changes nothing")
}

func TestAReturnThatMatchesNothingPutsEverythingInDoubt(t *testing.T) {
	t.Parallel()
	p := waitingFor("a", nil)
	c := returning(p)
	c.returns <- comesBack("changed on the way", nil)
	require.ErrorIs(t, c.confirmed(p), processor.ErrIndeterminate)
}

// A caller whose context has ended reuses its buffer. The return of the abandoned message must not
// look like that of no message, nor that of the next message like the abandoned one's.
func TestAnAbandonedMessageKeepsItsBody(t *testing.T) {
	t.Parallel()
	buffer := []byte("message-1")
	first := waitingFor("", nil)
	first.message.Body = buffer
	c := returning(first)
	c.leave(first)
	copy(buffer, "message-2")
	second := waitingFor("message-2", nil)
	c.begin(second)
	c.returns <- comesBack("message-1", nil)
	c.returns <- comesBack("message-2", nil)
	require.ErrorIs(t, c.confirmed(second), processor.ErrUnroutable)
	require.ErrorIs(t, c.confirmed(first), processor.ErrUnroutable)
}

func TestAPublishThatRacesWithCloseDoesNotHang(t *testing.T) {
	t.Parallel()
	l := life.New(t.Context(), slog.New(slog.DiscardHandler))
	defer l.End()
	l.Close()
	_, err := New(Broker{Life: l}).channel(t.Context())
	require.ErrorIs(t, err, processor.ErrClosed)
}
