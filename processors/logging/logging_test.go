package logging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/logging"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware {
			nobody := struct{ io.Writer }{io.Discard}
			log := slog.New(slog.NewTextHandler(nobody, nil)) // info and above
			return logging.New(logging.Logger(log), logging.Level(io.EOF, slog.LevelInfo))
		},
	})
}

var (
	errMail = errors.New("mail server says no")
	errUser = errors.New("no such user")
)

// process returns the logged line, and checks that the error passes.
func process(t *testing.T, ctx context.Context, result error, msg processor.Message, opts ...logging.Option) string {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p, err := stack.New(logging.New(append(opts, logging.Logger(log))...)).
		ThenFunc(func(context.Context, processor.Message) error { return result })
	require.NoError(t, err)
	got := p.Process(ctx, msg)
	require.True(t, got == result, "the very error passes") //nolint:errorlint,testifylint // Equal would call its methods
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line: %s", &out)
	return out.String()
}

func TestTheLevelFollowsFromTheDecision(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		result error
		want   string
	}{
		{nil, `level=DEBUG msg="message done"`},
		{processor.ErrStop, `level=DEBUG msg="message done"`},
		{processor.Drop(errMail), `level=INFO msg="message dropped"`},
		{processor.Requeue(errMail), `level=WARN msg="message requeued"`},
		{processor.Release(errMail), `level=WARN msg="message released"`},
		{processor.Reject(errMail), `level=ERROR msg="message rejected"`},
		{processor.RetryAfter(errMail, 1), `level=ERROR msg="message failed"`},
		{processor.Stop(errMail), `level=ERROR msg="message failed"`},
		{errMail, `level=ERROR msg="message failed"`},
	} {
		require.Contains(t, process(t, t.Context(), tc.result, processortest.NewMessage()), tc.want)
	}
}

func TestTheFirstRuleThatMatchesCounts(t *testing.T) {
	t.Parallel()
	opts := []logging.Option{
		logging.Level(errUser, slog.LevelInfo),
		logging.LevelFunc(func(err error) (slog.Level, bool) {
			return slog.LevelWarn, processor.Decide(err).Action == processor.Rejected
		}),
		logging.Level(errMail, slog.LevelDebug),
		logging.Success(slog.LevelInfo),
	}
	for _, tc := range []struct {
		result error
		want   string
	}{
		{nil, "level=INFO"},
		{processor.ErrStop, "level=INFO"},
		{fmt.Errorf("lookup: %w", errUser), "level=INFO"},
		{processor.Reject(errUser), "level=INFO"},
		{processor.Reject(errMail), "level=WARN"},
		{processor.Drop(errMail), "level=DEBUG"},
		{io.EOF, "level=ERROR"},
	} {
		require.Contains(t, process(t, t.Context(), tc.result, processortest.NewMessage(), opts...), tc.want)
	}
}

func TestWhatIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		p, err := stack.New(logging.New(logging.Logger(log))).ThenFunc(func(context.Context, processor.Message) error {
			time.Sleep(1500 * time.Millisecond)
			return errMail
		})
		require.NoError(t, err)
		msg := processortest.NewMessage(processortest.Header("swarrot_retry_attempts", int32(2)))
		require.ErrorIs(t, p.Process(t.Context(), msg), errMail)
		_, line, _ := strings.Cut(out.String(), " ") // without the time
		require.Equal(t, `level=ERROR msg="message failed" queue=test-queue message_id=test-message routing_key=test-key`+
			` redelivered=false error="mail server says no" decision=failed duration=1.5s attempt=3`+"\n", line)
	})
}

// As in a trace: the first delivery is attempt 1, and the first retry attempt 2.
func TestAttemptsAreLoggedFromOneOnWhateverASenderWrites(t *testing.T) {
	t.Parallel()
	require.Contains(t, process(t, t.Context(), nil, processortest.NewMessage()), "attempt=1\n")
	for _, claim := range []any{nil, "many", []any{}, 1.5, -3} {
		msg := processortest.NewMessage(processortest.Header("swarrot_retry_attempts", claim))
		require.Contains(t, process(t, t.Context(), errMail, msg), "attempt=1\n")
	}
	msg := processortest.NewMessage(processortest.Header("swarrot_retry_attempts", "2"))
	require.Contains(t, process(t, t.Context(), nil, msg), "attempt=3\n")
}

func TestAMessageThatTheShutdownCutShortIsNoError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(processor.ErrShutdown)
	require.Contains(t, process(t, ctx, errMail, processortest.NewMessage()), `level=WARN msg="message was cut short"`)
	require.Contains(t, process(t, ctx, processor.Reject(errMail), processortest.NewMessage()), "level=ERROR")

	ctx, expire := context.WithTimeout(t.Context(), 0)
	defer expire()
	require.Contains(t, process(t, ctx, errMail, processortest.NewMessage()), "level=ERROR", "a timeout is a failure")
}

// Hundreds may be lost at once with a channel, and all are redelivered.
func TestAMessageWhoseChannelIsLostIsNoErrorWhateverItsHandlerSays(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("closed: %w", processor.ErrStale))
	for _, err := range []error{errMail, processor.Requeue(errMail), processor.Release(errMail), processor.Reject(errMail)} {
		require.Contains(t, process(t, ctx, err, processortest.NewMessage()), `level=DEBUG msg="message was cut short, its channel is lost"`)
	}
	require.Contains(t, process(t, ctx, processor.Drop(errMail), processortest.NewMessage()), "level=INFO")
	require.Contains(t, process(t, ctx, errUser, processortest.NewMessage(), logging.Level(errUser, slog.LevelError)), "level=ERROR", "who asks for a level gets it")
}

func TestWhatASenderWroteIsCutAndEscaped(t *testing.T) {
	t.Parallel()
	evil := "line one\nlevel=INFO msg=forged \x1b[31m" + strings.Repeat("A", 1<<20)
	msg := processortest.NewMessage(processortest.Properties(processor.Properties{ID: evil}),
		processortest.Origin(processor.Origin{RoutingKey: evil}))
	line := process(t, t.Context(), errors.New(evil), msg)
	require.Less(t, len(line), 2500)
	require.NotContains(t, line, "\x1b")
}

// badError panics in its Error method, with a value that panics too.
type badError struct{}

func (e *badError) Error() string   { panic(e) }
func (e *badError) Is(error) bool   { panic(e) }
func (e *badError) As(any) bool     { panic(e) }
func (e *badError) Unwrap() []error { panic(e) }

func TestAnErrorWhoseMethodsPanicDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	for _, bad := range []error{typedNil, (*badError)(nil), &badError{}} {
		line := process(t, t.Context(), bad, processortest.NewMessage(), logging.Level(errUser, slog.LevelInfo))
		require.Contains(t, line, "level=ERROR")
		require.Contains(t, line, "whose Error method panics")
		require.Contains(t, line, "level_problem=")
	}
	line := process(t, t.Context(), &badError{}, processortest.NewMessage(),
		logging.Level(errUser, slog.LevelInfo),
		logging.LevelFunc(func(error) (slog.Level, bool) { return slog.LevelWarn, true }))
	require.Contains(t, line, "level=WARN", "the next rule is asked")
}

// It ended the process: == on two errors of a type that cannot be compared panics.
func TestATargetThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	type fields struct{ error }
	result := fields{listError{errMail}}
	line := process(t, t.Context(), processor.Reject(result), processortest.NewMessage(), logging.Level(fields{listError{}}, slog.LevelInfo))
	require.Contains(t, line, "level=ERROR")
}

type listError []error

func (listError) Error() string { return "several" }

func TestALevelFuncThatPanicsIsSkippedAndNamed(t *testing.T) {
	t.Parallel()
	line := process(t, t.Context(), errMail, processortest.NewMessage(),
		logging.LevelFunc(func(error) (slog.Level, bool) { panic("no level") }),
		logging.Level(errMail, slog.LevelInfo))
	require.Contains(t, line, "level=INFO")
	require.Contains(t, line, `level_problem="by a function: the rule panicked: no level"`)
}

func TestNothingIsAskedOfAMessageThatNobodyReadsAbout(t *testing.T) {
	for _, result := range []error{nil, errMail} {
		p, err := stack.New(logging.New(logging.Logger(slog.New(slog.DiscardHandler)), logging.Level(errUser, slog.LevelInfo))).
			ThenFunc(func(context.Context, processor.Message) error { return result })
		require.NoError(t, err)
		msg, ctx := processortest.NewMessage(), t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = p.Process(ctx, msg) }))
	}
}

func TestItSeesWhatARetryTurnsIntoSuccess(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	quiet := slog.New(slog.DiscardHandler)
	p, err := stack.New(
		ack.New(),
		retry.New(&processortest.Publisher{}, "retry_%attempt%", retry.Logger(quiet)),
		logging.New(logging.Logger(log)),
		recovery.New(recovery.Logger(quiet)),
	).ThenFunc(func(context.Context, processor.Message) error { panic("out of stamps") })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.Contains(t, out.String(), "out of stamps")
	require.Contains(t, out.String(), "decision=failed")
}

func TestNilLoggerIsTheDefault(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	for _, opts := range [][]logging.Option{nil, {logging.Logger(nil)}} {
		out.Reset()
		p, err := stack.New(logging.New(opts...)).ThenFunc(func(context.Context, processor.Message) error { return errMail })
		require.NoError(t, err)
		require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
		require.Contains(t, out.String(), "mail server says no")
	}
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for want, opt := range map[string]logging.Option{
		"logging: option 1 is nil":           nil,
		"logging: the target of Level is":    logging.Level(nil, slog.LevelInfo),
		"logging: the function of LevelFunc": logging.LevelFunc(nil),
	} {
		_, err := stack.New(logging.New(opt)).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorContains(t, err, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	p, err := stack.New(logging.New(
		logging.Level(errUser, slog.LevelInfo),
		logging.LevelFunc(func(error) (slog.Level, bool) { return 0, false }),
	)).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	require.Equal(t, []stack.Setting{
		{Name: "success", Value: "DEBUG"},
		{Name: "level", Value: "no such user at INFO"},
		{Name: "level", Value: "by a function"},
		{Name: "otherwise", Value: "by decision"},
	}, p.Describe().Layers[0].Settings)
}

func ExampleNew() {
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" {
			return slog.Attr{} // they differ each time
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: plain}))

	handler := func(context.Context, processor.Message) error { return fmt.Errorf("send mail: %w", errUser) }
	pipeline, err := stack.New(
		ack.New(),
		logging.New(logging.Logger(log), logging.Level(errUser, slog.LevelInfo)),
	).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	_ = pipeline.Process(context.Background(), processortest.NewMessage())
	// Output:
	// level=INFO msg="message failed" queue=test-queue message_id=test-message routing_key=test-key redelivered=false error="send mail: no such user" decision=failed attempt=1
}
