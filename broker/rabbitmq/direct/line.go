package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/publish"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Line sends requests on channels of its own, on the broker's publishing connection, and receives
// their replies by the same. Its methods may be called concurrently.
type Line struct {
	broker    *rabbitmq.Broker
	log       *slog.Logger
	problem   error
	life      *life.Life
	publisher *publish.Publisher // nil without a broker
	received  chan received
}

// received is a reply, or which ones cannot come.
type received struct {
	reply processor.Message
	lost  error
}

var _ processor.Checker = (*Line)(nil)

// Option changes a line.
type Option func(*Line)

// Logger sets where the line reports that requests are not answered, or that no channel can be opened.
// Default and nil: slog.Default().
func Logger(l *slog.Logger) Option { return func(line *Line) { line.log = l } }

// Replies returns a line on b.
func Replies(b *rabbitmq.Broker, opts ...Option) *Line {
	l := &Line{broker: b, received: make(chan received)}
	l.problem = option.Apply("direct: Replies", l, opts)
	if l.log == nil {
		l.log = slog.Default()
	}
	l.life = life.New(context.Background(), l.log)
	if b != nil {
		l.publisher = publish.NewAsking(
			publish.Broker{Life: l.life, Connection: b.Publishing(), Declared: nothing, Ask: b.Ask},
			publish.Replies{Came: l.came, Lost: l.lost},
		)
	}
	return l
}

// nothing needs to be declared before requests are sent.
func nothing(context.Context, *failover.Session, time.Time) (broker.Topology, error) {
	return broker.Topology{}, nil
}

// Check returns an error if the broker is nil.
func (l *Line) Check() error {
	if l.broker == nil {
		return errors.New("direct: the broker is nil")
	}
	return l.problem
}

// Publisher returns a publisher that sets the reply-to. The context of a publish is to end when its reply is
// not waited for any more.
func (l *Line) Publisher(context.Context) (processor.Publisher, error) {
	return processor.PublisherFunc(l.publish), nil
}

func (l *Line) publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	e.ReplyTo = publish.DirectReply
	err := l.publisher.Publish(ctx, to, e)
	if l.life.Over() && errors.Is(err, life.ErrClosed) {
		return fmt.Errorf("direct: publish to %s: %w", to, errClosed)
	}
	return err
}

// errClosed is what a publish returns after Close. That the broker is closed is another error.
var errClosed = fmt.Errorf("the line is %w", processor.ErrClosed)

// Health returns an error that wraps [rabbitmq.ErrQueueDown] and names the destinations whose requests have not been
// taken for a second, until one is, or nobody has sent one there for a minute. What else may be wrong is in the
// broker's own Health.
func (l *Line) Health() error {
	if l.publisher == nil {
		return l.Check()
	}
	return l.publisher.Health()
}

// Receive waits for the next reply, which is settled. Its error says whose replies cannot come any
// more, as an rpc.LostReplies.
func (l *Line) Receive(ctx context.Context) (processor.Message, error) {
	select {
	case r := <-l.received:
		return r.reply, r.lost
	case <-ctx.Done():
		return nil, life.Ended(ctx)
	}
}

func (l *Line) came(d *amqp.Delivery) { l.hand(received{reply: message(d)}) }

func (l *Line) lost(ids []string, why error) {
	l.hand(received{lost: &lostError{requests: ids, why: why}})
}

// lostError says which replies are lost with a channel.
type lostError struct {
	requests []string
	why      error
}

func (e *lostError) Error() string {
	return "direct: the channel for replies is lost: " + e.why.Error()
}

// Unwrap returns why the channel is lost.
func (e *lostError) Unwrap() error { return e.why }

// Requests returns the correlation ids of the requests.
func (e *lostError) Requests() []string { return e.requests }

// hand gives r to Receive.
func (l *Line) hand(r received) {
	select {
	case l.received <- r:
	case <-l.life.Context().Done():
	}
}

// errHangs is why Close has not waited for all channels.
var errHangs = errors.New("a queue hangs or the broker reads nothing, and a channel cannot be closed")

// Close closes the channels; replies to them are lost. It first waits for requests that are being written. It
// returns when ctx ends, and waits for a queue that hangs, or a broker that reads nothing, for 10 seconds at most.
func (l *Line) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, life.AnswerTimeout, errHangs)
	defer cancel()
	l.life.End()
	select {
	case <-l.life.Close():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("direct: close: %w", life.Ended(ctx))
	}
}

// message is a reply, which the broker took for acked when it sent it.
func message(d *amqp.Delivery) processor.Message {
	reply := broker.NewDelivery(amqpwire.Envelope(d), processor.Origin{
		Queue: publish.DirectReply, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Redelivered: d.Redelivered,
	}, acked{}, d.DeliveryTag)
	_ = reply.Ack()
	return reply
}

// acked settles nothing.
type acked struct{}

func (acked) Ack(uint64) error        { return nil }
func (acked) Nack(uint64, bool) error { return nil }
func (acked) Release(uint64) error    { return nil }
