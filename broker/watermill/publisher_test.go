package watermill_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/publisher/retrying"
	"github.com/gowarren/warren/publisher/tracing"
)

var mail = processor.Destination{RoutingKey: "mail"}

func TestTheTopicIsTheRoutingKeyOfTheDefaultExchange(t *testing.T) {
	t.Parallel()
	var p published
	pub := must.Have(watermill.NewPublisher(&p))
	require.NoError(t, pub.Publish(t.Context(), mail, processor.Envelope{}))
	require.Equal(t, []string{"mail"}, p.topics)
	for _, to := range []processor.Destination{{}, {Exchange: "letters", RoutingKey: "mail"}, {RoutingKey: "mail.delay.v1.quorum.30s"}} {
		require.ErrorIs(t, pub.Publish(t.Context(), to, processor.Envelope{}), processor.ErrUnroutable, to)
	}
	require.Len(t, p.topics, 1)

	pub = must.Have(watermill.NewPublisher(&p, watermill.Topic(func(to processor.Destination) (string, error) {
		if to.Exchange == "secrets" {
			return "", errMail
		}
		return to.Exchange + "/" + to.RoutingKey, nil
	})))
	require.NoError(t, pub.Publish(t.Context(), processor.Destination{Exchange: "letters", RoutingKey: "mail"}, processor.Envelope{}))
	require.Equal(t, "letters/mail", p.topics[1])
	err := pub.Publish(t.Context(), processor.Destination{Exchange: "secrets"}, processor.Envelope{})
	require.ErrorIs(t, err, errMail)
	require.ErrorIs(t, err, processor.ErrUnroutable)
}

func TestWhyAPublishFails(t *testing.T) {
	t.Parallel()
	pub := must.Have(watermill.NewPublisher(&published{failure: errMail}))
	err := pub.Publish(t.Context(), mail, processor.Envelope{})
	require.ErrorIs(t, err, errMail)
	require.ErrorIs(t, err, processor.ErrIndeterminate)

	var p published
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, must.Have(watermill.NewPublisher(&p)).Publish(ctx, mail, processor.Envelope{}), context.Canceled)
	for _, name := range []string{"h", "_warren", "correlation_id"} {
		err = must.Have(watermill.NewPublisher(&p)).Publish(t.Context(), mail, processor.Envelope{Headers: processor.Headers{name: struct{}{}}})
		require.ErrorIs(t, err, processor.ErrHeaderType)
		require.ErrorContains(t, err, name)
	}
	require.Empty(t, p.messages)
}

func TestAPublisherThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, must.Fail(watermill.NewPublisher(nil)), "it is nil")
	require.ErrorContains(t, must.Fail(watermill.NewPublisher((*published)(nil))), "it is nil")
	require.ErrorContains(t, must.Fail(watermill.NewPublisher(&published{}, nil)), "watermill: option 1 is nil")
}

func TestThePublisherHasTheContext(t *testing.T) {
	t.Parallel()
	var p published
	ctx := context.WithValue(t.Context(), key{}, "value")
	require.NoError(t, must.Have(watermill.NewPublisher(&p)).Publish(ctx, mail, processor.Envelope{}))
	require.Equal(t, "value", p.messages[0].Context().Value(key{}))
}

func TestBackoffNeedsDelaysThatWatermillHas(t *testing.T) {
	t.Parallel()
	pub := must.Have(watermill.NewPublisher(&published{}))
	for name, opts := range map[string][]backoff.Option{
		"a ladder": nil,
		"steps":    {backoff.Jitter(0)},
	} {
		_, err := stack.New(backoff.New(pub, "mail", opts...)).Then(gives(nil))
		require.ErrorContains(t, err, "watermill.Delays", name)

		// A decorator hides the publisher's errors when the stack is built.
		opts = append(opts, backoff.KeepTrying(0), backoff.Logger(quiet))
		p, err := stack.New(backoff.New(decorator{pub}, "mail", opts...)).Then(gives(errMail))
		require.NoError(t, err)
		err = p.Process(t.Context(), processortest.NewMessage(processortest.Origin(processor.Origin{Queue: "mail"})))
		require.ErrorIs(t, err, processor.ErrUnroutable, name)
		require.Equal(t, processor.Requeued, processor.Decide(err).Action)
	}
	_, err := stack.New(backoff.New(pub, "mail", backoff.Strategy(watermill.Delays))).Then(gives(nil))
	require.NoError(t, err)
}

type decorator struct{ processor.Publisher }

func (d decorator) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	return d.Publisher.Publish(context.WithValue(ctx, key{}, "decorated"), to, e)
}

func TestBackoffDelaysAsWatermillDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var wm published
		layers := backoff.New(decorator{must.Have(watermill.NewPublisher(&wm))}, "mail", backoff.Strategy(watermill.Delays),
			backoff.Schedule(backoff.Fixed(1500*time.Millisecond)), backoff.Jitter(0), backoff.Logger(quiet))
		p, err := stack.New(layers).Then(gives(errMail))
		require.NoError(t, err)
		now := time.Now().UTC() // a whole second
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage(processortest.Origin(processor.Origin{Queue: "mail"}))))
		require.Equal(t, []string{"mail"}, wm.topics)
		msg := wm.messages[0]
		require.Equal(t, now.Add(2*time.Second).Format(time.RFC3339), msg.Metadata[delay.DelayedUntilKey], "never early")
		require.Equal(t, "2s", msg.Metadata[delay.DelayedForKey])
		require.Equal(t, "1", msg.Metadata["warren-backoffs"])
		require.Equal(t, "decorated", msg.Context().Value(key{}))

		// The next message under this context, which ended with the publish, is another one.
		next := context.WithoutCancel(msg.Context())
		require.NoError(t, must.Have(watermill.NewPublisher(&wm)).Publish(next, mail, processor.Envelope{}))
		require.NotContains(t, wm.messages[1].Metadata, delay.DelayedForKey)
	})
}

// The delay of a received message is over, and must not count for its copies.
func TestADelayIsNotPublishedAgain(t *testing.T) {
	t.Parallel()
	msg := onWire(t, processor.Envelope{Headers: processor.Headers{
		delay.DelayedUntilKey: "3000-01-01T00:00:00Z", delay.DelayedForKey: "24h", "tenant": "acme",
	}})
	require.Equal(t, message.Metadata{"tenant": "acme"}, msg.Metadata)
}

func TestDelaysKnowsItsPublisher(t *testing.T) {
	t.Parallel()
	d, err := watermill.Delays("mail", nil)
	require.NoError(t, err)
	require.Equal(t, broker.Topology{}, d.Topology())
	require.Zero(t, d.Waits(processor.Headers{"x-death": []any{}}))
	require.NotEmpty(t, d.String())

	var other processortest.Publisher
	require.NoError(t, d.Delay(t.Context(), &other, processor.Envelope{}, 0), "no delay")
	other.FailWith(errMail)
	require.ErrorIs(t, d.Delay(t.Context(), &other, processor.Envelope{}, time.Second), errMail)
	other.FailWith(nil)
	for range 3 {
		require.ErrorContains(t, d.Delay(t.Context(), &other, processor.Envelope{}, time.Second), "NewPublisher")
	}
	require.Len(t, other.Published(), 2, "the one without delay, and the first that came without the delay it was to have")
	_, err = watermill.Delays("", nil)
	require.Error(t, err)
}

// A published message belongs to the sender again, though a GoChannel keeps the body.
func TestTheBodyIsCopied(t *testing.T) {
	t.Parallel()
	g := goChannel(t, gochannel.Config{})
	c, err := g.Subscribe(t.Context(), "mail")
	require.NoError(t, err)
	body := []byte("hello")
	require.NoError(t, must.Have(watermill.NewPublisher(g)).Publish(t.Context(), mail, processor.Envelope{Body: body}))
	copy(body, "HELLO")
	msg := <-c
	require.Equal(t, "hello", string(msg.Payload))
	msg.Ack()
}

func TestATopicThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	problem := errors.New("no such topic")
	pub := must.Have(watermill.NewPublisher(&published{}, watermill.Topic(func(processor.Destination) (string, error) { return "x", problem })))
	require.ErrorIs(t, pub.Publish(t.Context(), mail, processor.Envelope{}), problem)
}

// A retry calls it outside the recovery layer, where the panic ended the process.
func TestATopicThatPanicsIsAnError(t *testing.T) {
	t.Parallel()
	pub := must.Have(watermill.NewPublisher(&published{}, watermill.Topic(func(processor.Destination) (string, error) { panic("boom") })))
	err := pub.Publish(t.Context(), mail, processor.Envelope{})
	require.ErrorIs(t, err, processor.ErrUnroutable)
	require.ErrorContains(t, err, "the function given to Topic panicked: boom")
}

// A copy went to a topic without a subscriber, because the decorator hid that Watermill declares
// nothing.
func TestADecoratorDoesNotHideThatWatermillDeclaresNothing(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, processor.Message) error { return nil }
	for _, p := range []processor.Publisher{
		must.Have(tracing.New(must.Have(watermill.NewPublisher(&published{})))), must.Have(retrying.New(must.Have(tracing.New(must.Have(watermill.NewPublisher(&published{})))))),
	} {
		_, err := stack.New(ack.New(), backoff.New(p, "mail")).ThenFunc(handler)
		require.ErrorContains(t, err, "Strategy(watermill.Delays)")
		_, err = stack.New(ack.New(), backoff.New(p, "mail", backoff.Strategy(watermill.Delays))).ThenFunc(handler)
		require.NoError(t, err)
	}
}
