package rabbitmq_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A broker that adds headers or a time to messages returned them so, and all that waited were in
// doubt.
func TestWhatABrokerRewritesIsReturnedToItsOwner(t *testing.T) {
	t.Parallel()
	var config []rabbitmqtest.Option
	written := 0
	if rabbitmqtest.Version(t).AtLeast(4, 0) { // which has message interceptors
		written = 2 // the time and the node
		config = append(config, rabbitmqtest.Config(
			"message_interceptors.incoming.set_header_timestamp.overwrite = true",
			"message_interceptors.incoming.set_header_routing_node.overwrite = true",
		))
	}
	node := rabbitmqtest.Start(t, config...)
	b, queue := open(t, node.URL()), declareQueue(t, node.URL(), nil)
	errs := make([]error, 200)
	var publishing sync.WaitGroup
	for i := range errs {
		publishing.Go(func() {
			errs[i] = b.Publisher().Publish(within(t), to([]string{queue, "nobody"}[i%2]), processor.Envelope{Body: []byte("equal")})
		})
	}
	publishing.Wait()
	for i, err := range errs {
		if i%2 == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, processor.ErrUnroutable)
		}
	}
	require.Len(t, receive(t, subscribe(t, b, queue, 1)).Headers(), written, "it does rewrite")
}

// The header by which a returned message is found is seen by other readers alone. It is text, since
// watermill-amqp reads no others.
func TestTheTagOfAMessageIsSeenByOtherReadersOnly(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch, queue := open(t, url), raw(t, url), declareQueue(t, url, nil)
	for _, headers := range []processor.Headers{nil, {"app": int64(1)}, {"warren-tag": "a sender's own"}} {
		e := processor.Envelope{Headers: headers}
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), e))
		d, ok, err := ch.Get(queue, true)
		require.NoError(t, err)
		require.True(t, ok)
		require.IsType(t, "", d.Headers["warren-tag"])
		require.LessOrEqual(t, len(fmt.Sprint(d.Headers["warren-tag"])), 13)

		require.NoError(t, b.Publisher().Publish(within(t), to(queue), e))
		sub := subscribe(t, b, queue, 1)
		msg := receive(t, sub)
		require.NotContains(t, msg.Headers(), "warren-tag")
		require.NoError(t, msg.Ack())
		require.NoError(t, sub.Close(within(t)))
	}
}

// Such a message has no tag, and is published on a channel of its own.
func TestAMessageWithTooManyHeadersForATagIsPublishedAsItIs(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, ch, queue := open(t, url), raw(t, url), declareQueue(t, url, nil)
	large := processor.Envelope{Headers: processor.Headers{"large": strings.Repeat("x", 100<<10)}}
	var publishing sync.WaitGroup
	for range 20 {
		publishing.Go(func() {
			if err := b.Publisher().Publish(within(t), to(queue), large); err != nil {
				t.Error(err)
			}
			if err := b.Publisher().Publish(within(t), to("nobody"), large); !errors.Is(err, processor.ErrUnroutable) {
				t.Error(err)
			}
		})
	}
	publishing.Wait()
	ready(t, b, queue, 20)
	d, _, err := ch.Get(queue, true)
	require.NoError(t, err)
	require.Equal(t, amqp.Table{"large": large.Headers["large"]}, d.Headers)

	batch := []processor.Envelope{text("1"), large, text("2"), large, large}
	for len(batch) > 0 { // what was skipped is published again
		errs := processor.PublishBatch(within(t), b.Publisher(), to(queue), batch)
		if errs == nil {
			break
		}
		sent := 0
		for sent < len(errs) && errs[sent] == nil {
			sent++
		}
		require.Positive(t, sent, "each batch gets on")
		for _, err := range errs[sent:] {
			require.ErrorIs(t, err, processor.ErrSkipped)
		}
		batch = batch[sent:]
	}
	ready(t, b, queue, 19+5)
}

// A queue that did not answer kept all others from being published to and consumed once the
// connection was replaced: each channel declared all of them.
func TestADeclaredQueueThatHangsKeepsNoOtherFromComingBack(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	hung, other := name(t), name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: hung}, {Name: other}}}))
	sub := subscribe(t, b, other, 10)
	require.NoError(t, b.Publisher().Publish(within(t), to(other), text("1")))
	require.NoError(t, receive(t, sub).Ack())
	tell(t, node, hung, "suspend")
	defer tell(t, node, hung, "resume")
	loseConnections(t, node, b)
	longest, published := standstill(t, b, other, 5*time.Second)
	t.Logf("%d published, the longest standstill %v", published, longest)
	require.Positive(t, published)
	require.LessOrEqual(t, longest.Seconds(), 4.0)
	for range 10 {
		require.NoError(t, receive(t, sub).Ack())
	}
}
