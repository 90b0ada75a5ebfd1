package backoff_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/backoff"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events []backoff.Event
		f := newFixture(t, errMail, backoff.Park(parked), backoff.Retries(3),
			backoff.OnBackoff(func(_ context.Context, e backoff.Event) { e.Message = nil; events = append(events, e) }))
		require.NoError(t, f.process(t, retries(2)))
		require.NoError(t, f.process(t, retries(3)))
		f.result = processor.Reject(errMail)
		require.NoError(t, f.process(t, retries(1)))
		f.result = errMail
		f.pub.FailWith(processor.ErrRefused)
		require.Error(t, f.process(t))
		require.Len(t, events, 3, "only what the broker took")
		require.ErrorIs(t, events[1].Err, backoff.ErrExpired)
		require.ErrorIs(t, events[1].Err, errMail)
		events[1].Err = nil
		require.Equal(t, []backoff.Event{
			{Err: errMail, Attempt: 3, Retries: 3, Delay: 3 * time.Second, Next: time.Now().Add(3 * time.Second), To: processor.Destination{RoutingKey: "mail"}},
			{Attempt: 3, Retries: 3, Parked: true, To: parked},
			{Err: processor.Reject(errMail), Attempt: 1, Retries: 3, Parked: true, To: parked},
		}, events)
	})
}

func TestRetriesAndParkedMessagesAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFixture(t, errMail, backoff.Park(parked), backoff.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		require.NoError(t, f.process(t, retries(2)))
		require.Contains(t, out.String(), `level=INFO msg="message failed, retried later" queue=mail message_id=test-message`)
		require.Contains(t, out.String(), `error="mail server says no" to="queue \"mail\" (default exchange)" retry=3 retries=20 delay=3s next=`+
			time.Now().Add(3*time.Second).Format("2006-01-02T15:04:05"))
		out.Reset()
		require.NoError(t, f.process(t, retries(20)))
		require.Contains(t, out.String(), `level=ERROR msg="message failed, parked"`)
		require.Contains(t, out.String(), "backoff: expired after 20 retries in 0s: mail server says no")
		require.NotContains(t, out.String(), "next=")

		out.Reset()
		f = newFixture(t, errMail, backoff.Retries(processor.NoLimit), backoff.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		require.NoError(t, f.process(t, retries(2)))
		require.Contains(t, out.String(), " retry=3 delay=3s ", "of none")
	})
}

func TestNothingIsMadeUpForALogThatNobodyReads(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f := newFixture(t, errMail, backoff.Logger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	require.NoError(t, f.process(t))
	require.Empty(t, out.String())
}

func TestACopyThatIsTriedAgainIsLoggedWithItsNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := newFixture(t, errMail, backoff.KeepTrying(time.Second), backoff.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		f.pub.FailWith(processor.ErrUnroutable)
		require.Error(t, f.process(t, retries(2)))
		require.Contains(t, out.String(), `level=WARN msg="publish failed, trying again"`)
		require.Contains(t, out.String(), `to="retry 3 of 20 in 3s"`)
	})
}
