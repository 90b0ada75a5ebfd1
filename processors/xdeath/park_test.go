package xdeath_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/xdeath"
)

func park(t *testing.T, pub processor.Publisher, msg processor.Message) error {
	t.Helper()
	p, err := stack.New(ack.New(), xdeath.New(xdeath.Park(pub, parked))).
		ThenFunc(func(context.Context, processor.Message) error { return errMail })
	require.NoError(t, err)
	return p.Process(t.Context(), msg)
}

func TestAParkedMessageSaysWhyAndIsDropped(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	first := time.Now().Add(-10 * time.Minute)
	msg := message(deaths(entry("test-queue", "count", int64(300), "time", first)))
	err := park(t, pub, msg)
	require.ErrorIs(t, err, errMail)
	require.Equal(t, processor.Decision{Action: processor.Dropped}, processor.Decide(err))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Len(t, pub.Published(), 1)
	require.Equal(t, parked, pub.Published()[0].To)
	headers := pub.Published()[0].Envelope.Headers
	require.WithinDuration(t, time.Now(), at(t, headers, "warren-failed-at"), time.Minute)
	for _, name := range []string{"warren-failed-at", "warren-host"} {
		require.Contains(t, headers, name)
		delete(headers, name)
	}
	require.Equal(t, processor.Headers{
		"warren-error": "mail server says no", "warren-error-type": "*errors.errorString",
		"warren-failures":          int64(301), // the last one is no death
		"warren-first-failed-at":   first.UTC().Format("2006-01-02T15:04:05.000Z"),
		"warren-original-exchange": "test-exchange", "warren-original-routing-key": "test-key",
		"warren-original-queue": "test-queue",
	}, headers)
}

func at(t *testing.T, headers processor.Headers, name string) time.Time {
	t.Helper()
	text, ok := headers.String(name)
	require.True(t, ok)
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

func TestAForgedCountOfDeathsIsNotRepeated(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	require.Error(t, park(t, pub, message(died(math.MaxInt64))))
	require.Equal(t, int64(math.MaxInt32), pub.Published()[0].Envelope.Headers["warren-failures"])
}

func TestAStackIsParkedIfAskedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts []xdeath.Option
		told bool
	}{"by default": {nil, false}, "asked for": {[]xdeath.Option{xdeath.StackTrace()}, true}} {
		pub := &processortest.Publisher{}
		p, err := stack.New(xdeath.New(append(tc.opts, xdeath.Park(pub, parked))...), recovery.New()).
			ThenFunc(func(context.Context, processor.Message) error { panic("out of stamps") })
		require.NoError(t, err)
		require.Error(t, p.Process(t.Context(), message(died(300))))
		trace, told := pub.Published()[0].Envelope.Headers.String("warren-stack")
		require.Equal(t, tc.told, told, name)
		require.Equal(t, tc.told, strings.Contains(trace, "park_test.go"), name)
	}
}

func TestAParkedMessageIsLoggedAsAnError(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	pub := &processortest.Publisher{}
	p, err := stack.New(xdeath.New(xdeath.Logger(slog.New(slog.NewTextHandler(&out, nil))), xdeath.Park(pub, parked))).
		ThenFunc(func(context.Context, processor.Message) error { return errMail })
	require.NoError(t, err)
	require.Error(t, p.Process(t.Context(), message(died(300))))
	for _, want := range []string{`level=ERROR msg="message failed, parked"`, "message_id=test-message", "mail server says no", `to=`} {
		require.Contains(t, out.String(), want)
	}
	out.Reset()
	pub.FailWith(processor.ErrRefused)
	require.Error(t, p.Process(t.Context(), message(died(300))))
	require.Empty(t, out.String(), "it is not parked")
}

func TestAMessageThatCannotBeParkedGoesBackToItsQueue(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{processor.ErrUnroutable, processor.Drop(processor.ErrIndeterminate), processor.ErrTooLarge} {
		pub := &processortest.Publisher{}
		pub.FailWith(failure)
		msg := message(died(300))
		err := park(t, pub, msg)
		require.ErrorIs(t, err, errMail)
		require.ErrorIs(t, err, failure)
		if errors.Is(failure, processor.ErrTooLarge) {
			require.Equal(t, processor.Released, processor.Decide(err).Action)
			require.Empty(t, msg.Settlements(), "whoever runs the pipeline releases it")
			continue
		}
		require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
	}
}

func TestAPublisherThatPanicsDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	msg := message(died(300))
	err := park(t, processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error { panic("closed") }), msg)
	require.ErrorIs(t, err, errMail)
	require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements())
}

// It was requeued without end: with our headers it was over the frame.
func TestAMessageThatIsTooLargeWithOurHeadersIsParkedAsItCameIn(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{processor.ErrTooLarge, fmt.Errorf("publish: %w", processor.ErrHeaderType)} {
		var sent []processor.Envelope
		pub := processor.PublisherFunc(func(_ context.Context, _ processor.Destination, e processor.Envelope) error {
			if _, ours := e.Headers["warren-error"]; ours {
				return failure
			}
			sent = append(sent, e)
			return nil
		})
		msg := message(died(300))
		require.Equal(t, processor.Dropped, processor.Decide(park(t, pub, msg)).Action)
		require.Len(t, sent, 1)
		require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	}
}

func ExampleNew() {
	publisher := &processortest.Publisher{} // a broker's Publisher()
	pipeline, err := stack.New(
		ack.New(),
		xdeath.New(xdeath.MaxCount(3), xdeath.Park(publisher, processor.Destination{RoutingKey: "parked"})),
	).ThenFunc(func(context.Context, processor.Message) error { return errors.New("out of stamps") })
	if err != nil {
		panic(err)
	}
	for deaths := range 4 {
		msg := message(died(int64(deaths)))
		fmt.Println(pipeline.Process(context.Background(), msg), msg.Settlements())
	}
	fmt.Println(publisher.Published()[0].To)
	// Output:
	// out of stamps [nack without requeue]
	// out of stamps [nack without requeue]
	// out of stamps [nack without requeue]
	// xdeath: the message has died too often: 3 deaths in queue "test-queue"; it has failed with: out of stamps [ack]
	// queue "parked" (default exchange)
}
