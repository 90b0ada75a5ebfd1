package main

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
)

func start(t *testing.T, dir string, ackWait time.Duration) *jetStream {
	t.Helper()
	j, err := openJetStream(t.Context(), dir, ackWait)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close(context.WithoutCancel(t.Context()))) })
	return j
}

func send(t *testing.T, j *jetStream, e processor.Envelope) {
	t.Helper()
	require.NoError(t, j.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: queue}, e))
}

// receive takes one message.
func receive(t *testing.T, j *jetStream) processor.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sub, err := j.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sub.Close(context.WithoutCancel(t.Context()))) })
	msg, err := sub.Receive(ctx)
	require.NoError(t, err)
	return msg
}

// empty waits until the acks have arrived.
func empty(t *testing.T, j *jetStream) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := j.Ready(t.Context(), queue)
		return err == nil && n == 0
	}, 10*time.Second, 10*time.Millisecond)
}

// Two handlers are at work and two messages wait for them when the consumer must end and the server
// stops.
func TestWhatIsInHandAtTheEndComesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := start(t, dir, time.Second)
	for _, id := range []string{"1", "2", "3", "4"} {
		send(t, j, processor.Envelope{Properties: processor.Properties{ID: id}})
	}
	begun := make(chan struct{}, 2)
	p, err := stack.New(ack.New()).ThenFunc(func(ctx context.Context, _ processor.Message) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- must.Have(consumer.New(j.Source(queue), p, consumer.Workers(2), consumer.DrainTimeout(10*time.Millisecond), consumer.Logger(quiet))).Run(ctx)
	}()
	<-begun
	<-begun
	cancel()
	require.NoError(t, <-ended)
	require.NoError(t, j.Close(t.Context()))

	j = start(t, dir, time.Second)
	n, err := j.Ready(t.Context(), queue)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	seen := map[string]bool{}
	p, err = stack.New(ack.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		if seen[msg.Properties().ID] = true; len(seen) == 4 {
			return processor.ErrStop
		}
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, must.Have(consumer.New(j.Source(queue), p, consumer.Logger(quiet))).Run(t.Context()))
	empty(t, j)
}

// Without ManualAck, NATS's client acks messages that Watermill has waited for in vain.
func TestWhatNobodySettlesComesAgainAndAgain(t *testing.T) {
	t.Parallel()
	j := start(t, t.TempDir(), 100*time.Millisecond)
	send(t, j, processor.Envelope{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sub, err := j.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 10})
	require.NoError(t, err)
	for range 5 {
		_, err := sub.Receive(ctx)
		require.NoError(t, err)
	}
	require.NoError(t, sub.Close(ctx))
	require.NoError(t, receive(t, j).Ack())
	empty(t, j)
}

func TestAMessageSurvivesTheHeadersOfNATS(t *testing.T) {
	t.Parallel()
	j := start(t, t.TempDir(), time.Minute)
	sent := processor.Envelope{
		Body: []byte{0, 255, '\r', '\n'},
		Headers: processor.Headers{
			"nil": nil, "bool": true, "int16": int16(-16), "int64": int64(math.MinInt64), "float64": 1e300, "bytes": []byte{0, 255},
			"decimal": processor.Decimal{Scale: 2, Value: 995}, "time": time.Unix(1_700_000_000, 0).UTC(),
			"list": []any{int8(1), "a\r\nb"}, "table": processor.Headers{"deep": []any{}},
			"swarrot_retry_attempts": int64(2), "Swarrot_Retry_Attempts": "other", "X-Case": "1", "x-case": "2",
			"text": "grüße", "no text": "", "lines": "a\r\nb: c\n", "around": " x ", "größe": "11", "a:b": "", "": "no name", "no UTF-8": "\xff",
			"_warren": "mine", "correlation_id": int32(7),
		},
		Properties: processor.Properties{
			ID: "id", CorrelationID: "correlation", ReplyTo: "reply", Type: "a\nb", AppID: "app", UserID: "user",
			ContentType: "text/plain", ContentEncoding: "gzip", Expiration: time.Minute, Timestamp: time.Unix(1_700_000_000, 0), Priority: 9,
		},
	}
	send(t, j, sent)
	msg := receive(t, j)
	got := processor.Envelope{Body: msg.Body(), Headers: msg.Headers(), Properties: msg.Properties()}
	require.Equal(t, sent, got)
	require.NoError(t, msg.Ack())
	empty(t, j)
}

func TestASubjectThatNoStreamTakesIsAnError(t *testing.T) {
	t.Parallel()
	j := start(t, t.TempDir(), time.Minute)
	err := j.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "nobody"}, processor.Envelope{})
	require.ErrorContains(t, err, "nobody")
}

// With only the id to tell them apart, JetStream would drop the second.
func TestACopyWithTheSameIDIsKept(t *testing.T) {
	t.Parallel()
	j := start(t, t.TempDir(), time.Minute)
	for range 2 {
		send(t, j, processor.Envelope{Properties: processor.Properties{ID: "1"}})
	}
	n, err := j.Ready(t.Context(), queue)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestDelaysAreRefused(t *testing.T) {
	t.Parallel()
	j := start(t, t.TempDir(), time.Minute)
	handler := func(context.Context, processor.Message) error { return nil }
	_, err := stack.New(ack.New(), backoff.New(j.Publisher(), queue)).ThenFunc(handler)
	require.ErrorContains(t, err, "wait in queues that Watermill cannot declare")
	_, err = stack.New(ack.New(), backoff.New(j.Publisher(), queue, backoff.Strategy(watermill.Delays))).ThenFunc(handler)
	require.NoError(t, err, "nothing says that JetStream delivers at once")
}
