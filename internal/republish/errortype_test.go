package republish_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// mailError is the error of a handler.
type mailError struct{ cause error }

func (e *mailError) Error() string { return "mail: " + e.cause.Error() }
func (e *mailError) Unwrap() error { return e.cause }

// codeError is one without a pointer.
type codeError int

func (e codeError) Error() string { return fmt.Sprint(int(e)) }

func TestTheErrorTypeIsTheOneThatTells(t *testing.T) {
	t.Parallel()
	plain := errors.New("550")
	mail := &mailError{plain}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"plain":                           {plain, "*errors.errorString"},
		"wrapped by fmt":                  {fmt.Errorf("send: %w", plain), "*errors.errorString"},
		"made by fmt":                     {fmt.Errorf("send: %d", 550), "*errors.errorString"},
		"ours, around a plain one":        {mail, "*republish_test.mailError"},
		"ours, wrapped by fmt":            {fmt.Errorf("send: %w", mail), "*republish_test.mailError"},
		"the outermost of two":            {fmt.Errorf("send: %w", &mailError{codeError(550)}), "*republish_test.mailError"},
		"no pointer":                      {fmt.Errorf("send: %w", codeError(550)), "republish_test.codeError"},
		"the standard library's":          {&fs.PathError{Op: "open", Path: "/", Err: plain}, "*fs.PathError"},
		"a decision":                      {processor.Reject(mail), "*republish_test.mailError"},
		"a decision about a plain one":    {processor.RetryAfter(plain, time.Second), "*errors.errorString"},
		"stop around a decision":          {processor.Stop(processor.Drop(mail)), "*republish_test.mailError"},
		"joined":                          {errors.Join(mail, codeError(1)), "*republish_test.mailError"},
		"joined, the first branch counts": {errors.Join(plain, mail), "*errors.errorString"},
		"joined by fmt":                   {fmt.Errorf("%w and %w", codeError(1), mail), "republish_test.codeError"},
		"joined within a decision":        {processor.Reject(fmt.Errorf("x: %w", errors.Join(mail, plain))), "*republish_test.mailError"},
		"a copy that was not sent":        {unsent(t, mail), "*republish_test.mailError"},
		"a panic":                         {processor.RetryAfter(&recovery.PanicError{Value: mail}, 0), "*recovery.PanicError"},
		"nil":                             {nil, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := republish.Park(processortest.NewMessage(), republish.Failure{Err: tc.err, At: time.Unix(1, 0)})
			require.Equal(t, tc.want, e.Headers[republish.HeaderErrorType])
		})
	}
}

// unsent is the error that a retry makes of cause when the broker refuses its copy.
func unsent(t *testing.T, cause error) error {
	t.Helper()
	pub := &processortest.Publisher{}
	pub.FailWith(processor.ErrRefused)
	p, err := stack.New(retry.New(pub, "retry_%attempt%", retry.KeepTrying(0))).
		ThenFunc(func(context.Context, processor.Message) error { return cause })
	require.NoError(t, err)
	err = p.Process(t.Context(), processortest.NewMessage())
	require.ErrorIs(t, err, processor.ErrRefused)
	return err
}
