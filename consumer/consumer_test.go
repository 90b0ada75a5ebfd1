package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/key"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errMail = errors.New("mail server says no")

func quiet() consumer.Option { return consumer.Logger(slogDiscard()) }

func slogDiscard() *slog.Logger { return slog.New(slog.DiscardHandler) }

var sink = processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })

// acked is a handler inside an ack layer.
func acked(t *testing.T, h processor.ProcessorFunc) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(ack.New()).Then(h)
	require.NoError(t, err)
	return p
}

func messages(n int) []*processortest.Message {
	msgs := make([]*processortest.Message, n)
	for i := range msgs {
		msgs[i] = processortest.NewMessage(processortest.Body(fmt.Sprint(i)))
	}
	return msgs
}

func TestEveryMessageIsProcessedAndSettledOnce(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 8} {
		msgs := messages(500)
		q := newQueue(msgs...)
		close(q.messages)
		var n atomic.Int64
		c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error { n.Add(1); return nil }),
			consumer.Workers(workers), quiet()))
		require.NoError(t, c.Run(t.Context()), "the end of the source is no error")
		require.Equal(t, int64(500), n.Load())
		for _, m := range msgs {
			require.Equal(t, []processortest.Settlement{processortest.Acked}, m.Settlements())
		}
		require.True(t, q.closed)
		require.Equal(t, max(10, 2*workers), q.options.Prefetch)
		require.Equal(t, consumer.Stats{Received: 500, Done: 500}, c.Stats())
	}
}

func TestErrorsAreLoggedCountedAndSurvived(t *testing.T) {
	t.Parallel()
	q := newQueue(messages(4)...)
	close(q.messages)
	var out bytes.Buffer
	results := []error{errMail, processor.Reject(errMail), processor.Drop(errMail), nil}
	c := must.Have(consumer.New(q, acked(t, func(_ context.Context, m processor.Message) error {
		return results[m.Body()[0]-'0']
	}), consumer.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
	require.NoError(t, c.Run(t.Context()))
	require.Equal(t, consumer.Stats{Received: 4, Done: 1, Dropped: 1, Rejected: 1, Failed: 1}, c.Stats())
	require.Equal(t, 3, strings.Count(out.String(), "mail server says no"))
	require.Contains(t, out.String(), "queue=test-queue message_id=test-message")
}

func TestLogsAreBoundedAndEscaped(t *testing.T) {
	t.Parallel()
	evil := strings.Repeat("A\nlevel=INFO msg=forged ", 1000)
	msg := processortest.NewMessage(processortest.Properties(processor.Properties{ID: evil}),
		processortest.Origin(processor.Origin{RoutingKey: evil}))
	q := newQueue(msg)
	close(q.messages)
	var out bytes.Buffer
	c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error { return errors.New(evil) }),
		consumer.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
	require.NoError(t, c.Run(t.Context()))
	require.Less(t, out.Len(), 4000)
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}

// It ended the process, and again each time the broker redelivered the message.
func TestAnErrorWhoseTextPanicsIsLogged(t *testing.T) {
	t.Parallel()
	q := newQueue(messages(1)...)
	close(q.messages)
	var out bytes.Buffer
	var typedNil *fs.PathError
	c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error { return typedNil }),
		consumer.Logger(slog.New(slog.NewTextHandler(&out, nil)))))
	require.NoError(t, c.Run(t.Context()))
	require.Equal(t, uint64(1), c.Stats().Failed)
	require.Contains(t, out.String(), "*fs.PathError")
}

func TestCancellingDrainsWhatIsInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		msgs := messages(3)
		q := newQueue(msgs...)
		ctx, cancel := context.WithCancel(t.Context())
		c := must.Have(consumer.New(q, acked(t, func(ctx context.Context, _ processor.Message) error {
			cancel()
			time.Sleep(19 * time.Second) // slow work
			return ctx.Err()
		}), quiet()))
		require.NoError(t, c.Run(ctx))
		require.Equal(t, []processortest.Settlement{processortest.Acked}, msgs[0].Settlements())
		require.Empty(t, msgs[1].Settlements(), "no message is begun after the end")
	})
}

func TestDrainDeadlineCutsShortAndGivesBackUntouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		msgs := messages(2)
		ctx, cancel := context.WithCancel(t.Context())
		var pub processortest.Publisher
		p, err := stack.New(ack.New(), retry.New(&pub, "r_%attempt%", retry.ParkKey("parked"))).
			ThenFunc(func(ctx context.Context, _ processor.Message) error {
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), processor.ErrShutdown)
				return ctx.Err()
			})
		require.NoError(t, err)
		c := must.Have(consumer.New(newQueue(msgs...), p, consumer.Workers(2), consumer.DrainTimeout(5*time.Second), quiet()))
		go func() {
			synctest.Wait() // both are in flight
			cancel()
		}()
		start := time.Now()
		require.NoError(t, c.Run(ctx))
		require.Equal(t, 5*time.Second, time.Since(start))
		for _, m := range msgs {
			require.Equal(t, []processortest.Settlement{processortest.Released}, m.Settlements())
		}
		require.Empty(t, pub.Published(), "no attempt is used up")
		require.Equal(t, uint64(2), c.Stats().Released)
	})
}

func TestHandlerThatIgnoresItsContextIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		msg := processortest.NewMessage()
		q := newQueue(msg)
		c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error {
			cancel()
			<-release
			return errMail
		}), consumer.DrainTimeout(5*time.Second), quiet()))
		start := time.Now()
		require.ErrorIs(t, c.Run(ctx), consumer.ErrAbandoned)
		require.Equal(t, 6*time.Second, time.Since(start), "the deadline and a second of grace")
		require.True(t, q.closed)
		require.False(t, msg.Settled(), "left to the broker")
		close(release)
		synctest.Wait()
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result error
		want   error
		settle processortest.Settlement
	}{
		"done, then stop":   {fmt.Errorf("limit: %w", processor.ErrStop), nil, processortest.Acked},
		"failed, then stop": {processor.Stop(errMail), errMail, processortest.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			msgs := messages(3)
			c := must.Have(consumer.New(newQueue(msgs...), acked(t, func(context.Context, processor.Message) error { return tc.result }), quiet()))
			require.ErrorIs(t, c.Run(t.Context()), tc.want)
			require.Equal(t, []processortest.Settlement{tc.settle}, msgs[0].Settlements())
			require.False(t, msgs[1].Settled())
		})
	}
}

func TestUnsettledEndsTheRunAtTheFirstMessage(t *testing.T) {
	t.Parallel()
	msgs := messages(3)
	forgets := processor.ProcessorFunc(func(context.Context, processor.Message) error { return errMail })
	err := must.Have(consumer.New(newQueue(msgs...), forgets, quiet())).Run(t.Context())
	require.ErrorIs(t, err, consumer.ErrUnsettled)
	require.ErrorIs(t, err, errMail)
	require.Equal(t, []processortest.Settlement{processortest.Released}, msgs[0].Settlements())
	require.False(t, msgs[1].Settled())
}

func TestGoexitDoesNotCostAWorkerOrAMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		msgs := messages(3)
		q := newQueue(msgs...)
		close(q.messages)
		c := must.Have(consumer.New(q, acked(t, func(_ context.Context, m processor.Message) error {
			if string(m.Body()) == "0" {
				runtime.Goexit()
			}
			return nil
		}), quiet()))
		require.NoError(t, c.Run(t.Context()))
		require.Equal(t, []processortest.Settlement{processortest.Released}, msgs[0].Settlements())
		require.Equal(t, []processortest.Settlement{processortest.Acked}, msgs[2].Settlements())
	})
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	p := processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })
	for says, err := range map[string]error{
		"it is nil":            must.Fail(consumer.New(nil, p)),
		"processor is nil":     must.Fail(consumer.New(newQueue(), nil)),
		"the processor is nil": must.Fail(consumer.New(newQueue(), (*stack.Pipeline)(nil))),
		"Workers(0)":           must.Fail(consumer.New(newQueue(), p, consumer.Workers(0))),
		"Prefetch(3)":          must.Fail(consumer.New(newQueue(), p, consumer.Workers(4), consumer.Prefetch(3))),
		"Prefetch(-1)":         must.Fail(consumer.New(newQueue(), p, consumer.Prefetch(-1))),
		"DrainTimeout is -1s":  must.Fail(consumer.New(newQueue(), p, consumer.DrainTimeout(-time.Second))),
		"option 2 is nil":      must.Fail(consumer.New(newQueue(), p, quiet(), nil)),
		"OrderBy: the key":     must.Fail(consumer.New(newQueue(), p, consumer.OrderBy(nil))),
		"key.Header with":      must.Fail(consumer.New(newQueue(), p, consumer.OrderBy(key.Header("")))),
		"IdleInterval is 0s":   must.Fail(consumer.New(newQueue(), p, consumer.IdleInterval(0))),
	} {
		require.ErrorContains(t, err, says)
	}
}

func TestSubscribeFails(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.failure = errMail
	l := &layer{}
	require.ErrorIs(t, must.Have(consumer.New(q, l, quiet())).Run(t.Context()), errMail)
	require.Equal(t, []string{"start", "stop"}, l.calls)
}

// layer records its lifecycle and acks.
type layer struct {
	calls    []string
	startErr error
	idleErr  error
}

func (l *layer) Start(context.Context) error { l.calls = append(l.calls, "start"); return l.startErr }
func (l *layer) Stop(context.Context) error  { l.calls = append(l.calls, "stop"); return nil }
func (l *layer) Idle(context.Context) error  { l.calls = append(l.calls, "idle"); return l.idleErr }
func (l *layer) Process(_ context.Context, m processor.Message) error {
	l.calls = append(l.calls, "process")
	return m.Ack()
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &layer{idleErr: processor.ErrStop}
		require.NoError(t, must.Have(consumer.New(newQueue(messages(2)...), l, quiet())).Run(t.Context()))
		require.Equal(t, []string{"start", "process", "process", "idle", "stop"}, l.calls)
	})
}

func TestIdleErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &layer{idleErr: processor.Stop(errMail)}
		require.ErrorIs(t, must.Have(consumer.New(newQueue(), l, quiet())).Run(t.Context()), errMail)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		l = &layer{idleErr: errMail}
		require.NoError(t, must.Have(consumer.New(newQueue(), l, quiet())).Run(ctx), "any other error is logged")
		require.Len(t, l.calls, 12)
	})
}

func TestFailedStartTakesNoMessage(t *testing.T) {
	t.Parallel()
	l := &layer{startErr: errMail}
	msgs := messages(1)
	require.ErrorIs(t, must.Have(consumer.New(newQueue(msgs...), l)).Run(t.Context()), errMail)
	require.False(t, msgs[0].Settled())
	require.Equal(t, []string{"start"}, l.calls)
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := must.Have(consumer.New(newQueue(), acked(t, func(context.Context, processor.Message) error { return nil }), quiet()))
		first := make(chan error)
		go func() { first <- c.Run(ctx) }()
		synctest.Wait()
		require.ErrorIs(t, c.Run(ctx), consumer.ErrRunning)
		cancel()
		require.NoError(t, <-first)
		require.NoError(t, c.Run(ctx), "again, after the first has returned")
	})
}

func TestStressStartAndStop(t *testing.T) {
	t.Parallel()
	for range 50 {
		q := newQueue(messages(100)...)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		c := must.Have(consumer.New(q, acked(t, func(context.Context, processor.Message) error {
			if n.Add(1) == 50 {
				cancel()
			}
			return nil
		}), consumer.Workers(8), quiet()))
		require.NoError(t, c.Run(ctx))
		cancel()
		s := c.Stats()
		require.Equal(t, s.Received, s.Done)
		require.Zero(t, s.InFlight)
	}
}
