package watermill_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/insomniac"
	"github.com/gowarren/warren/processors/maxtime"
	"github.com/gowarren/warren/processors/timeout"
)

// The table of the package documentation.
func TestWhatTheRouterGets(t *testing.T) {
	t.Parallel()
	settles := func(settle func(processor.Message) error, err error) processor.ProcessorFunc {
		return func(_ context.Context, msg processor.Message) error {
			if problem := settle(msg); problem != nil {
				return problem
			}
			return err
		}
	}
	nack := func(requeue bool) func(processor.Message) error {
		return func(msg processor.Message) error { return msg.Nack(requeue) }
	}
	release := func(msg processor.Message) error { return msg.(interface{ Release() error }).Release() } //nolint:forcetypeassert // it is one
	acking, requeueing := stack.New(ack.New()), stack.New(ack.New(ack.RequeueOnError()))
	const (
		toAck  = "ack"
		toNack = "nack"
		dead   = "dead"
	)
	for name, tc := range map[string]struct {
		stack   stack.Stack
		handler processor.ProcessorFunc
		want    string
		err     error // of the router, or of the dead-letter function
		logged  string
	}{
		"ok":                         {handler: gives(nil), want: toAck},
		"failed":                     {handler: gives(errMail), want: toNack, err: errMail},
		"rejected":                   {handler: gives(processor.Reject(errMail)), want: dead, err: errMail},
		"requeued":                   {handler: gives(processor.Requeue(errMail)), want: toNack, err: errMail},
		"released":                   {handler: gives(processor.Release(errMail)), want: toNack, err: errMail},
		"retried after a while":      {handler: gives(processor.RetryAfter(errMail, time.Hour)), want: toNack, err: errMail},
		"dropped":                    {handler: gives(processor.Drop(errMail)), want: toAck, logged: "level=INFO"},
		"done, and stop":             {handler: gives(processor.ErrStop), want: toAck, logged: "pass OnStop"},
		"failed, and stop":           {handler: gives(processor.Stop(errMail)), want: toNack, err: errMail, logged: "pass OnStop"},
		"ack: ok":                    {stack: acking, handler: gives(nil), want: toAck},
		"ack: failed":                {stack: acking, handler: gives(errMail), want: dead, err: errMail},
		"ack, requeue: failed":       {stack: requeueing, handler: gives(errMail), want: toNack, err: errMail},
		"ack, requeue: rejected":     {stack: requeueing, handler: gives(processor.Reject(errMail)), want: dead, err: errMail},
		"ack: requeued":              {stack: acking, handler: gives(processor.Requeue(errMail)), want: toNack, err: errMail},
		"ack: released":              {stack: acking, handler: gives(processor.Release(errMail)), want: toNack, err: errMail},
		"ack: dropped":               {stack: acking, handler: gives(processor.Drop(errMail)), want: toAck, logged: errMail.Error()},
		"acked, and failed":          {handler: settles(processor.Message.Ack, errMail), want: toAck, logged: "level=ERROR"},
		"acked, and rejected":        {handler: settles(processor.Message.Ack, processor.Reject(errMail)), want: toAck, logged: "level=ERROR"},
		"nacked, and no error":       {handler: settles(nack(false), nil), want: dead, err: watermill.ErrRejected},
		"nacked to its queue":        {handler: settles(nack(true), nil), want: toNack},
		"nacked back, and rejected":  {handler: settles(nack(true), processor.Reject(errMail)), want: toNack, err: errMail},
		"released, and no error":     {handler: settles(release, nil), want: toNack},
		"ack, and the handler acked": {stack: acking, handler: settles(processor.Message.Ack, nil), want: toAck},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := tc.stack.Then(tc.handler)
			require.NoError(t, err)
			var (
				log      bytes.Buffer
				rejected deadLetters
			)
			handle, err := watermill.Handler(p, rejected.take, watermill.Logger(slog.New(slog.NewTextHandler(&log, nil))))
			require.NoError(t, err)
			err = handle(message.NewMessage("id", nil))
			switch tc.want {
			case dead:
				require.NoError(t, err)
				require.Len(t, rejected.reasons, 1)
				require.ErrorIs(t, rejected.reasons[0], tc.err)
			case toNack:
				require.Empty(t, rejected.reasons)
				require.Error(t, err)
				if tc.err != nil {
					require.ErrorIs(t, err, tc.err)
				}
			case toAck:
				require.Empty(t, rejected.reasons)
				require.NoError(t, err)
			}
			if tc.logged == "" {
				require.Empty(t, log.String())
			}
			require.Contains(t, log.String(), tc.logged)
		})
	}
}

func TestWhatNobodyTakesComesBack(t *testing.T) {
	t.Parallel()
	problem := errors.New("disk full")
	handle, err := watermill.Handler(gives(processor.Reject(errMail)), watermill.Poison(&published{failure: problem}, "poison"))
	require.NoError(t, err)
	err = handle(message.NewMessage("id", nil))
	require.ErrorIs(t, err, problem)
	require.ErrorIs(t, err, errMail)

	handle, err = watermill.Handler(gives(processor.Reject(errMail)), watermill.Return)
	require.NoError(t, err)
	require.ErrorIs(t, handle(message.NewMessage("id", nil)), errMail)
}

func TestPoisonTellsWatermillWhy(t *testing.T) {
	t.Parallel()
	var p published
	long := fmt.Errorf("%w: %01000d", errMail, 0)
	handle, err := watermill.Handler(gives(processor.Reject(long)), watermill.Poison(&p, "poison"))
	require.NoError(t, err)
	msg := message.NewMessage("id", []byte("hello"))
	msg.Metadata = message.Metadata{"tenant": "acme", "_watermill_delayed_for": "1h0m0s", "_watermill_delayed_until": "3000-01-01T00:00:00Z"}
	require.NoError(t, handle(msg))
	require.Equal(t, []string{"poison"}, p.topics)
	poisoned := p.messages[0]
	require.NotSame(t, msg, poisoned)
	require.Equal(t, "id", poisoned.UUID)
	require.Equal(t, "hello", string(poisoned.Payload))
	require.Len(t, poisoned.Metadata["reason_poisoned"], 512)
	require.Contains(t, poisoned.Metadata["reason_poisoned"], errMail.Error())
	delete(poisoned.Metadata, "reason_poisoned")
	require.Equal(t, message.Metadata{"tenant": "acme", "topic_poisoned": "", "handler_poisoned": "", "subscriber_poisoned": ""}, poisoned.Metadata)
	require.NotContains(t, msg.Metadata, "reason_poisoned", "the message itself is left as it was")
}

func TestDiscardLogsWhatItDrops(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	handle, err := watermill.Handler(gives(processor.Reject(errMail)), watermill.Discard(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	require.NoError(t, handle(message.NewMessage("0815", nil)))
	require.Contains(t, log.String(), "level=ERROR")
	require.Contains(t, log.String(), "message_id=0815")
	require.Contains(t, log.String(), errMail.Error())
}

func TestOnStopIsCalledOnceAndMayWait(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ says, want error }{{processor.ErrStop, nil}, {processor.Stop(errMail), errMail}} {
		handled := make(chan struct{})
		reasons := make(chan error, 2)
		handle, err := watermill.Handler(gives(tc.says), watermill.Discard(nil), watermill.OnStop(func(err error) {
			<-handled // as the router's Close does
			reasons <- err
			close(reasons)
		}))
		require.NoError(t, err)
		_ = handle(message.NewMessage("1", nil))
		_ = handle(message.NewMessage("2", nil))
		close(handled)
		require.ErrorIs(t, <-reasons, tc.want)
		_, more := <-reasons
		require.False(t, more)
	}
}

// It ended the process.
func TestAnOnStopThatPanicsIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		handle, err := watermill.Handler(gives(processor.ErrStop), watermill.Discard(nil),
			watermill.Logger(slog.New(slog.NewTextHandler(&log, nil))), watermill.OnStop(func(error) { panic("boom") }))
		require.NoError(t, err)
		require.NoError(t, handle(message.NewMessage("1", nil)))
		synctest.Wait()
		require.Contains(t, log.String(), "the function given to OnStop panicked: boom")
	})
}

func TestAPanicPassesTheStack(t *testing.T) {
	t.Parallel()
	handle, err := watermill.Handler(processor.ProcessorFunc(func(context.Context, processor.Message) error { panic("boom") }), watermill.Discard(nil))
	require.NoError(t, err)
	require.PanicsWithValue(t, "boom", func() { _ = handle(message.NewMessage("id", nil)) })
}

func TestASettlementThatComesTooLateIsStale(t *testing.T) {
	t.Parallel()
	var kept processor.Message
	handle, err := watermill.Handler(processor.ProcessorFunc(func(_ context.Context, msg processor.Message) error {
		kept = msg
		return nil
	}), watermill.Discard(nil))
	require.NoError(t, err)
	require.NoError(t, handle(message.NewMessage("id", nil)))
	require.ErrorIs(t, kept.Nack(true), processor.ErrStale)
}

type transacts struct{ processor.Processor }

func (transacts) Name() string     { return "transacts" }
func (transacts) Role() stack.Role { return stack.Transacts }

// A handler that produces nothing has all its effects when it returns.
func TestDedupSkipsWhatAHandlerWithoutOutputHasProcessed(t *testing.T) {
	t.Parallel()
	calls := 0
	p, err := stack.New(dedup.New(dedup.NewMemory(10, time.Hour), dedup.Logger(quiet))).
		ThenFunc(func(context.Context, processor.Message) error { calls++; return nil })
	require.NoError(t, err)
	handle, err := watermill.Handler(p, watermill.Discard(quiet))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, handle(message.NewMessage("id", nil)))
	}
	require.Equal(t, 1, calls)
}

func TestARouterRefusesWhatItCannotGive(t *testing.T) {
	t.Parallel()
	dead := watermill.Discard(nil)
	produce := func(context.Context, processor.Message) ([]*message.Message, error) { return nil, nil }
	for name, tc := range map[string]struct {
		layer   processor.Middleware
		handler bool // works there
	}{
		"insomniac": {layer: insomniac.New()},
		"max time":  {layer: maxtime.New()},
		"breaker":   {layer: breaker.New("mail server"), handler: true},
		// It marked a message whose output the router could not publish, and skipped it when it came again.
		"dedup": {layer: dedup.New(dedup.NewMemory(10, time.Hour)), handler: true},
		"a transaction of one's own": {layer: func(next processor.Processor) processor.Processor {
			return transacts{next}
		}, handler: true},
		"Deduplicator": {layer: watermill.FromMiddleware((&middleware.Deduplicator{}).Middleware)},
		"nil":          {layer: nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layers := stack.New(tc.layer)
			_, err := watermill.Middleware(layers, dead)
			require.Error(t, err)
			_, err = watermill.HandlerFunc(layers, produce, dead)
			require.Error(t, err)
			p, err := layers.ThenFunc(gives(nil))
			if err != nil {
				return
			}
			_, err = watermill.Handler(p, dead)
			require.Equal(t, tc.handler, err == nil, err)
		})
	}
	var none *stack.Pipeline
	for _, p := range []processor.Processor{nil, none, &stack.Pipeline{}, struct{ *stack.Pipeline }{}} {
		_, err := watermill.Handler(p, dead)
		require.Error(t, err)
	}
	for _, nowhere := range []watermill.DeadLetter{nil, watermill.Poison(nil, "poison"), watermill.Poison((*published)(nil), "poison"), watermill.Poison(&published{}, "")} {
		_, err := watermill.Middleware(stack.New(), nowhere)
		require.ErrorContains(t, err, "Poison")
		_, err = watermill.Handler(gives(nil), nowhere)
		require.ErrorContains(t, err, "Poison")
		_, err = watermill.HandlerFunc(stack.New(), produce, nowhere)
		require.ErrorContains(t, err, "Poison")
	}
	_, err := watermill.Middleware(stack.New(), dead, nil)
	require.Error(t, err, "a nil option")
	_, err = watermill.HandlerFunc(stack.New(), nil, dead)
	require.Error(t, err)
	_, err = watermill.Middleware(stack.New(timeout.New(time.Second)), dead)
	require.NoError(t, err, "what only has to be started")
}
