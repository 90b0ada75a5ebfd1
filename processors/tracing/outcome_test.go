package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/tracing"
)

var errMail = errors.New("mail server says no")

func TestWhatBecomesOfAMessageIsOnItsSpan(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		result   error
		decision string
		failed   bool
	}{
		{"success", nil, "done", false},
		{"stop after success", processor.ErrStop, "done", false},
		{"error", errMail, "failed", true},
		{"stop with an error", processor.Stop(errMail), "failed", true},
		{"retry later", processor.RetryAfter(errMail, 1), "failed", true},
		{"reject", processor.Reject(errMail), "rejected", true},
		{"requeue", processor.Requeue(errMail), "requeued", true},
		{"drop", processor.Drop(errMail), "dropped", true},
		{"release", processor.Release(errMail), "released", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			span := trace(t, t.Context(), processortest.NewMessage(), tc.result)
			got := attributes(span)
			require.Equal(t, tc.decision, got[tracing.DecisionKey])
			if !tc.failed {
				require.Equal(t, codes.Unset, span.Status().Code)
				require.NotContains(t, got, attribute.Key("error.type"))
				require.Empty(t, span.Events())
				return
			}
			require.Equal(t, codes.Error, span.Status().Code)
			require.Equal(t, "mail server says no", span.Status().Description)
			require.Equal(t, "*errors.errorString", got["error.type"])
			require.Len(t, span.Events(), 1)
			require.Equal(t, "exception", span.Events()[0].Name)
			event := attribute.NewSet(span.Events()[0].Attributes...)
			require.Equal(t, `exception.message=mail server says no,exception.type=*errors.errorString`,
				event.Encoded(attribute.DefaultEncoder()))
		})
	}
}

func TestTheTypeOfAnErrorIsThatOfItsAuthor(t *testing.T) {
	t.Parallel()
	err := processor.Reject(fmt.Errorf("send: %w", &fs.PathError{Op: "open", Path: "mail", Err: errMail}))
	require.Equal(t, "*fs.PathError", attributes(trace(t, t.Context(), processortest.NewMessage(), err))["error.type"])
}

func TestAnErrorWhoseTextPanicsIsRecorded(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	span := trace(t, t.Context(), processortest.NewMessage(), typedNil)
	require.Equal(t, codes.Error, span.Status().Code)
	require.Contains(t, span.Status().Description, "*fs.PathError")
}

func TestWhatTheShutdownCutShortHasNotFailed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("deadline: %w", processor.ErrShutdown))
	for _, tc := range []struct {
		result   error
		decision string
	}{
		{ctx.Err(), "released"},
		{processor.Requeue(ctx.Err()), "released"},
		{processor.Reject(errMail), "rejected"},
		{nil, "done"},
	} {
		span := trace(t, ctx, processortest.NewMessage(), tc.result)
		require.Equal(t, tc.decision, attributes(span)[tracing.DecisionKey])
		require.Equal(t, tc.decision == "rejected", span.Status().Code == codes.Error)
	}
	other, end := context.WithCancel(t.Context())
	end()
	require.Equal(t, "failed", attributes(trace(t, other, processortest.NewMessage(), other.Err()))[tracing.DecisionKey])
}

func TestWhatWasLostWithItsChannelHasNotFailed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("closed: %w", processor.ErrStale))
	for _, result := range []error{ctx.Err(), processor.Requeue(errMail), processor.Reject(errMail), processor.Release(errMail)} {
		span := trace(t, ctx, processortest.NewMessage(), result)
		require.Equal(t, "released", attributes(span)[tracing.DecisionKey])
		require.NotEqual(t, codes.Error, span.Status().Code)
	}
	require.Equal(t, "dropped", attributes(trace(t, ctx, processortest.NewMessage(), processor.Drop(errMail)))[tracing.DecisionKey])
}

func TestRecordErrorMarksTheSpanOfTheContext(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := build(t, func(ctx context.Context, _ processor.Message) error {
		tracing.RecordError(ctx, nil)
		tracing.RecordError(ctx, errMail)
		return nil
	}, tracing.TracerProvider(provider))
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	span := spans.Ended()[0]
	require.Equal(t, codes.Error, span.Status().Code)
	require.Len(t, span.Events(), 1)
	require.Equal(t, "done", attributes(span)[tracing.DecisionKey])
	require.NotPanics(t, func() { tracing.RecordError(t.Context(), errMail) })
}
