package rabbitmq

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// returning is a channel with what waits on it, in the order of publishing.
func returning(waiting ...*publish) *confirmChannel {
	c := &confirmChannel{waiting: map[*publish]struct{}{}, slots: make(chan struct{}, 10), returns: make(chan amqp.Return, 10)}
	for _, p := range waiting {
		c.slots <- struct{}{}
		c.register(p)
	}
	return c
}

func waitingFor(body string, headers amqp.Table) *publish {
	return &publish{
		to:      processor.Destination{RoutingKey: "nobody"},
		message: amqp.Publishing{Body: []byte(body), Headers: headers, DeliveryMode: amqp.Persistent},
	}
}

func comesBack(body string, headers amqp.Table) *amqp.Return {
	return &amqp.Return{RoutingKey: "nobody", Body: []byte(body), Headers: headers, DeliveryMode: amqp.Persistent}
}

func TestOfEqualMessagesTheFirstIsReturned(t *testing.T) {
	t.Parallel()
	first, second, other := waitingFor("a", nil), waitingFor("a", amqp.Table{}), waitingFor("b", nil)
	c := returning(first, second, other)
	c.mark(comesBack("a", nil))
	require.NotNil(t, first.returned)
	require.Nil(t, second.returned)
	c.mark(comesBack("a", nil))
	require.NotNil(t, second.returned)
	require.Nil(t, other.returned)
	require.False(t, first.doubtful || second.doubtful || other.doubtful)
}

// The broker removes BCC from what it returns.
func TestMessagesThatDifferInWhatTheBrokerHidesAreAllInDoubt(t *testing.T) {
	t.Parallel()
	stored := waitingFor("a", amqp.Table{"BCC": []any{"somebody"}})
	lost := waitingFor("a", amqp.Table{"BCC": []any{"nobody-2"}})
	other := waitingFor("b", nil)
	c := returning(stored, lost, other)
	c.mark(comesBack("a", nil))
	for _, p := range []*publish{stored, lost} {
		require.ErrorIs(t, c.outcome(p, true), processor.ErrIndeterminate)
	}
	require.NoError(t, c.outcome(other, true))
}

func TestOneMessageWithABCCIsFound(t *testing.T) {
	t.Parallel()
	p := waitingFor("a", amqp.Table{"BCC": []any{"nobody-2"}, "app": int32(1)})
	c := returning(p)
	c.mark(comesBack("a", amqp.Table{"app": int32(1)}))
	require.ErrorIs(t, c.outcome(p, true), processor.ErrUnroutable)
	require.Contains(t, p.message.Headers, "BCC", "the comparison changes nothing")
}

func TestAReturnThatMatchesNothingPutsEverythingInDoubt(t *testing.T) {
	t.Parallel()
	p := waitingFor("a", nil)
	c := returning(p)
	c.mark(comesBack("changed on the way", nil))
	require.ErrorIs(t, c.outcome(p, true), processor.ErrIndeterminate)
}

// A caller whose context has ended reuses its buffer. The return of the message that it
// gave up on must not be taken for nobody's, nor that of its next message for the first's.
func TestAnAbandonedMessageKeepsItsBody(t *testing.T) {
	t.Parallel()
	buffer := []byte("message-1")
	first := waitingFor("", nil)
	first.message.Body = buffer
	c := returning(first)
	c.keepBody(first)
	copy(buffer, "message-2")
	second := waitingFor("message-2", nil)
	c.slots <- struct{}{}
	c.register(second)
	c.mark(comesBack("message-1", nil))
	c.mark(comesBack("message-2", nil))
	require.NotNil(t, first.returned)
	require.ErrorIs(t, c.outcome(second, true), processor.ErrUnroutable)
}

func TestAPublishThatRacesWithCloseDoesNotHang(t *testing.T) {
	t.Parallel()
	b := &Broker{}
	b.background.close()
	_, err := newPublisher(b).channel(t.Context())
	require.ErrorIs(t, err, processor.ErrClosed)
}
