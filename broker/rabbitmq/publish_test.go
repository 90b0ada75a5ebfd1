package rabbitmq_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// publishAll publishes from as many goroutines as there are destinations.
func publishAll(t *testing.T, b *rabbitmq.Broker, tos []processor.Destination) []error {
	t.Helper()
	errs := make([]error, len(tos))
	var wg sync.WaitGroup
	for i, to := range tos {
		wg.Go(func() { errs[i] = b.Publisher().Publish(within(t), to, text(fmt.Sprint(i))) })
	}
	wg.Wait()
	return errs
}

// RabbitMQ returns an unroutable message and then still confirms it.
func TestEachOfManyConcurrentPublishesGetsItsOwnOutcome(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	tos := make([]processor.Destination, 600)
	for i := range tos {
		tos[i] = to(queue)
		if i%2 == 1 {
			tos[i] = to(fmt.Sprintf("%s-nobody-%d", queue, i%3))
		}
	}
	for i, err := range publishAll(t, b, tos) {
		if i%2 == 1 {
			require.ErrorIs(t, err, processor.ErrUnroutable)
		} else {
			require.NoError(t, err)
		}
	}
	ready(t, b, queue, 300)
}

// The same message, id and key, at the same time, routable or not by its headers alone.
func TestEqualMessagesThatOnlyHeadersTellApart(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x := name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: x, Kind: broker.HeadersKind}},
		Queues:    []broker.Queue{{Name: x}},
		Bindings:  []broker.Binding{{Exchange: x, Queue: x, Arguments: processor.Headers{"n": int64(1)}}},
	}))
	errs := make([]error, 200)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			e := text("same")
			e.Headers = processor.Headers{"n": i % 2}
			errs[i] = b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, e)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if i%2 == 1 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, processor.ErrUnroutable)
		}
	}
	ready(t, b, x, 100)
}

// A full queue refuses. Publishing goes on, but without hammering.
func TestAFullQueueRefusesAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	full := declareQueue(t, url, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	free := declareQueue(t, url, nil)
	tos := make([]processor.Destination, 200)
	for i := range tos {
		tos[i] = to([]string{full, free}[i%2])
	}
	refused := 0
	for i, err := range publishAll(t, b, tos) {
		switch {
		case i%2 == 1:
			require.NoError(t, err)
		case err != nil:
			require.ErrorIs(t, err, processor.ErrRefused)
			refused++
		}
	}
	ready(t, b, free, 100)
	stored, err := b.Ready(within(t), full)
	require.NoError(t, err)
	require.Equal(t, 100-refused, stored, "what was not refused is there")
}

func TestASmallerFrameIsRespected(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Config("frame_max = 8192"))
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	e := text("1")
	e.Headers = processor.Headers{"h": strings.Repeat("x", 20_000)}
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), e), processor.ErrTooLarge)
	e.Headers = processor.Headers{"h": strings.Repeat("x", 8_000)}
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), e))
}

func TestTheLargestHeadersThatAreAllowedArrive(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	long := strings.Repeat("x", 255)
	e := processor.Envelope{Properties: processor.Properties{
		ID: long, CorrelationID: long, ReplyTo: long, Type: long, AppID: long, ContentType: long, ContentEncoding: long,
		Timestamp: time.Now(), Priority: 1, Expiration: 9 * 365 * 24 * time.Hour,
	}}
	for n := 131_072; ; n-- {
		e.Headers = processor.Headers{"h": strings.Repeat("x", n)}
		err := b.Publisher().Publish(within(t), to(queue), e)
		if err == nil {
			require.Greater(t, n, 129_000)
			break
		}
		require.ErrorIs(t, err, processor.ErrTooLarge)
	}
	require.Len(t, receive(t, subscribe(t, b, queue, 1)).Headers()["h"], len(e.Headers["h"].(string))) //nolint:forcetypeassert // it is
}

// The last refusal on a channel that had been replaced closed it, and was then taken for a
// lost answer.
func TestARefusalIsOneWhileItsChannelIsReplaced(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	queue := declareQueue(t, url, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	require.NoError(t, open(t, url).Publisher().Publish(within(t), to(queue), text("first")))
	for range 10 {
		b := open(t, url) // whose first refusal replaces the channel
		for range 20 {
			err := b.Publisher().Publish(within(t), to(queue), text("more"))
			require.ErrorIs(t, err, processor.ErrRefused)
			require.NotErrorIs(t, err, processor.ErrIndeterminate)
		}
	}
}
