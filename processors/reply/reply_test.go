package reply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/xdeath"
)

func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	goleak.VerifyTestMain(m)
}

var (
	quiet   = slog.New(slog.DiscardHandler)
	errBusy = errors.New("busy")
	caller  = processor.Destination{RoutingKey: "caller"}
)

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return reply.New(&processortest.Publisher{}, remote.JSON) },
		Allocates: true,
	})
}

// request asks for 20 and 22 to be added.
func request(opts ...processortest.Option) *processortest.Message {
	return processortest.NewMessage(append([]processortest.Option{
		processortest.Body(`[20,22]`),
		processortest.Properties(processor.Properties{ID: "q1", CorrelationID: "c1", ReplyTo: caller.RoutingKey}),
	}, opts...)...)
}

// sum adds, or fails with err.
func sum(err error) processor.Processor {
	return remote.Handler(remote.JSON, func(_ context.Context, args []int, _ processor.Message) (int, error) {
		total := 0
		for _, a := range args {
			total += a
		}
		return total, err
	})
}

// service runs one request through a stack around handler.
func service(t *testing.T, p *processortest.Publisher, msg processor.Message, handler processor.Processor, layers ...processor.Middleware) error {
	t.Helper()
	all := append([]processor.Middleware{ack.New(ack.RequeueOnError()), reply.New(p, remote.JSON, reply.KeepTrying(0))}, layers...)
	pipeline, err := stack.New(all...).Then(handler)
	require.NoError(t, err)
	return pipeline.Process(t.Context(), msg)
}

// answers are the replies that the caller has got.
func answers(p *processortest.Publisher) []processortest.Publishing {
	var got []processortest.Publishing
	for _, sent := range p.Published() {
		if sent.To == caller {
			got = append(got, sent)
		}
	}
	return got
}

// failure is the error that the caller has got, once.
func failure(t *testing.T, p *processortest.Publisher) *remote.Error {
	t.Helper()
	got := answers(p)
	require.Len(t, got, 1)
	require.Equal(t, "c1", got[0].Envelope.CorrelationID)
	var e *remote.Error
	err := remote.JSON.DecodeReply(processortest.NewMessage(
		processortest.Body(string(got[0].Envelope.Body)), processortest.Header(remote.HeaderError, got[0].Envelope.Headers[remote.HeaderError])), new(int))
	require.ErrorAs(t, err, &e)
	return e
}

func TestTheCallerGetsTheResult(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	msg := request()
	require.NoError(t, service(t, &p, msg, sum(nil)))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	got := answers(&p)
	require.Len(t, got, 1)
	require.JSONEq(t, "42", string(got[0].Envelope.Body))
	require.Equal(t, "c1", got[0].Envelope.CorrelationID)
	require.Equal(t, "application/json", got[0].Envelope.ContentType)
}

func TestTheIDStandsForACorrelationIDThatIsMissing(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	msg := request(processortest.Properties(processor.Properties{ID: "q1", ReplyTo: caller.RoutingKey}))
	require.NoError(t, service(t, &p, msg, sum(nil)))
	require.Equal(t, "q1", answers(&p)[0].Envelope.CorrelationID)
}

func TestAHandlerWithoutAResultIsAnsweredWithNull(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	plain := processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, service(t, &p, request(), plain))
	require.JSONEq(t, "null", string(answers(&p)[0].Envelope.Body))
}

func TestWithoutAReplyToNothingIsSent(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"success": nil, "failure": errBusy} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p processortest.Publisher
			msg := request(processortest.Properties(processor.Properties{ID: "q1"}))
			require.ErrorIs(t, service(t, &p, msg, sum(err)), err)
			require.Empty(t, p.Published())
		})
	}
}

// retrying are the layers that retry, with a limit of one retry.
func retrying(p *processortest.Publisher) map[string]processor.Middleware {
	return map[string]processor.Middleware{
		"retry":          retry.New(p, "work_retry_%attempt%", retry.Retries(1)),
		"retry, park":    retry.New(p, "work_retry_%attempt%", retry.Retries(1), retry.ParkKey("parked")),
		"backoff":        backoff.New(p, "work", backoff.For(errBusy), backoff.Retries(1)),
		"backoff, park":  backoff.New(p, "work", backoff.For(errBusy), backoff.Retries(1), backoff.Park(processor.Destination{RoutingKey: "parked"})),
		"redelivery":     redelivery.New(p, "parked", redelivery.Retries(1)),
		"instead of any": func(next processor.Processor) processor.Processor { return next },
	}
}

func TestAnAttemptThatIsTriedAgainIsNotAnswered(t *testing.T) {
	t.Parallel()
	for name := range retrying(new(processortest.Publisher)) {
		if name == "instead of any" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p processortest.Publisher
			_ = service(t, &p, request(), sum(errBusy), retrying(&p)[name], recovery.New())
			require.Empty(t, answers(&p))
		})
	}
}

// last has one retry behind it, by everyone's count.
func last() *processortest.Message {
	return request(
		processortest.Header(retry.HeaderAttempts, int64(1)),
		processortest.Header(backoff.HeaderBackoffs, int64(1)),
		processortest.Header(redelivery.HeaderDeliveries, int64(1)),
		processortest.Origin(processor.Origin{Queue: "work", RoutingKey: "work", Redelivered: true}),
	)
}

func TestTheLastAttemptIsAnsweredOnceWithItsError(t *testing.T) {
	t.Parallel()
	for name := range retrying(new(processortest.Publisher)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p processortest.Publisher
			msg := last()
			_ = service(t, &p, msg, sum(errBusy), retrying(&p)[name], recovery.New())
			e := failure(t, &p)
			require.Contains(t, e.Message, "busy")
			require.NotEqual(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements(), "it would be answered again")
			if strings.HasPrefix(name, "backoff") {
				require.Equal(t, remote.TypeExpired, e.Type)
			}
		})
	}
}

func TestWhatTheCallerSeesOfAnError(t *testing.T) {
	t.Parallel()
	panics := processor.ProcessorFunc(func(context.Context, processor.Message) error { panic("nil map") })
	unserializable := remote.Handler(remote.JSON, func(context.Context, []int, processor.Message) (chan int, error) { return nil, nil }) //nolint:nilnil // on purpose
	for _, tc := range []struct {
		name    string
		msg     *processortest.Message
		handler processor.Processor
		want    remote.Error
	}{
		{"any error", request(), sum(errBusy), remote.Error{Type: remote.TypeInternal, Message: "busy"}},
		{"one of its own", request(), sum(fmt.Errorf("cannot pay: %w", &remote.Error{Type: "NoFunds", Message: "too little", Details: map[string]any{"missing": 3.0}})),
			remote.Error{Type: "NoFunds", Message: "too little", Details: map[string]any{"missing": 3.0}}},
		{"rejected", request(), sum(processor.Reject(errBusy)), remote.Error{Type: remote.TypeInternal, Message: "busy"}},
		{"dropped", request(), sum(processor.Drop(errBusy)), remote.Error{Type: remote.TypeInternal, Message: "busy"}},
		{"panic", request(), panics, remote.Error{Type: remote.TypePanic, Message: "recovery: panic: nil map"}},
		{"a request that does not decode", request(processortest.Body("{")), sum(nil),
			remote.Error{Type: remote.TypeMalformed, Message: "remote: decode the request: unexpected end of JSON input"}},
		{"a result that does not encode", request(), unserializable,
			remote.Error{Type: remote.TypeUnserializable, Message: "remote: encode the result: json: unsupported type: chan int"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var p processortest.Publisher
			_ = service(t, &p, tc.msg, tc.handler, recovery.New(recovery.Logger(quiet)))
			require.Equal(t, tc.want, *failure(t, &p))
			require.NotContains(t, tc.msg.Settlements(), processortest.Requeued)
		})
	}
}

func TestAFailureThatItsQueueBringsBackIsNotAnswered(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	ends := xdeath.New(xdeath.Park(&p, processor.Destination{RoutingKey: "parked"}), xdeath.MaxCount(2))
	require.ErrorIs(t, service(t, &p, request(), sum(errBusy), ends, recovery.New()), errBusy)
	require.Empty(t, answers(&p))
}

func TestASuccessAfterSuchAFailureIsAnswered(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	ends := xdeath.New(xdeath.Park(&p, processor.Destination{RoutingKey: "parked"}), xdeath.MaxCount(2))
	tries := 0
	flaky := remote.Handler(remote.JSON, func(context.Context, []int, processor.Message) (int, error) {
		if tries++; tries == 1 {
			return 0, errBusy
		}
		return 42, nil
	})
	require.NoError(t, service(t, &p, request(), flaky, instantretry.New(instantretry.Logger(quiet)), ends, recovery.New()))
	require.Len(t, answers(&p), 1)
	require.JSONEq(t, "42", string(answers(&p)[0].Envelope.Body))
}

func TestARequestThatGoesBackIsNotAnswered(t *testing.T) {
	t.Parallel()
	lost, lose := context.WithCancelCause(t.Context())
	lose(processor.ErrStale)
	over, end := context.WithCancel(t.Context())
	end()
	for _, tc := range []struct {
		name   string
		ctx    context.Context //nolint:containedctx // a row
		result error
	}{
		{"requeued", t.Context(), processor.Requeue(errBusy)},
		{"released", t.Context(), processor.Release(errBusy)},
		{"its channel is lost", processor.WithChannel(t.Context(), lost), nil},
		{"its channel is lost, and it has failed", processor.WithChannel(t.Context(), lost), errBusy},
		{"cut short", over, over.Err()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var p processortest.Publisher
			pipeline, err := stack.New(ack.New(), reply.New(&p, remote.JSON)).Then(sum(tc.result))
			require.NoError(t, err)
			_ = pipeline.Process(tc.ctx, request())
			require.Empty(t, p.Published())
		})
	}
}

func TestARequestThatWasProcessedBeforeIsAnsweredSo(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	marks := dedup.New(dedup.NewMemory(10, time.Hour))
	refused := processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
		return processor.ErrIndeterminate
	})
	pipeline, err := stack.New(ack.New(), reply.New(refused, remote.JSON, reply.KeepTrying(0)), marks).Then(sum(nil))
	require.NoError(t, err)
	require.ErrorIs(t, pipeline.Process(t.Context(), request()), processor.ErrIndeterminate, "the reply is lost")
	again := request()
	require.NoError(t, service(t, &p, again, sum(nil), marks))
	require.Equal(t, remote.TypeProcessed, failure(t, &p).Type)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, again.Settlements())
}

func TestACallerThatIsGoneDoesNotHoldUpItsRequest(t *testing.T) {
	t.Parallel()
	for _, problem := range []error{processor.ErrUnroutable, processor.ErrForbidden, processor.ErrRefused} {
		var p processortest.Publisher
		p.FailWith(problem)
		msg := request()
		require.NoError(t, service(t, &p, msg, sum(nil)))
		require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	}
}

func TestAReplyThatTheBrokerDoesNotTakeKeepsTheRequest(t *testing.T) {
	t.Parallel()
	for _, problem := range []error{processor.ErrIndeterminate, processor.ErrBlocked, errors.Join(processor.ErrForbidden, processor.ErrIndeterminate)} {
		for name, result := range map[string]error{"success": nil, "failure": errBusy} {
			var p processortest.Publisher
			p.FailWith(problem)
			msg := request()
			require.ErrorIs(t, service(t, &p, msg, sum(result)), problem)
			require.Equal(t, []processortest.Settlement{processortest.Requeued}, msg.Settlements(), name)
		}
	}
}

func TestAReplyThatIsTooLargeIsAnErrorForTheCaller(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	small := processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		if string(e.Body) == "42" {
			return processor.ErrTooLarge
		}
		return p.Publish(ctx, to, e)
	})
	msg := request()
	pipeline, err := stack.New(ack.New(), reply.New(small, remote.JSON)).Then(sum(nil))
	require.NoError(t, err)
	require.NoError(t, pipeline.Process(t.Context(), msg))
	require.Equal(t, remote.TypeUnserializable, failure(t, &p).Type)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
}

func TestAnErrorIsBounded(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	huge := strings.Repeat("x", 1<<20)
	_ = service(t, &p, request(), sum(&remote.Error{Type: huge, Message: huge, Details: map[string]any{"x": huge}}))
	require.Less(t, len(answers(&p)[0].Envelope.Body), 32<<10)
	require.True(t, json.Valid(answers(&p)[0].Envelope.Body))
}

func TestOrdersInWhichACallerIsAnsweredTwiceOrNeverAreRefused(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	answer := reply.New(&p, remote.JSON)
	again := retry.New(&p, "retry_%attempt%")
	for name, layers := range map[string][]processor.Middleware{
		"retry outside":    {ack.New(), again, answer},
		"ack inside":       {answer, ack.New()},
		"recovery outside": {ack.New(), recovery.New(), answer},
		"twice":            {ack.New(), answer, reply.New(&p, remote.JSON)},
		"none":             {ack.New(), again},
	} {
		_, err := stack.New(layers...).Then(sum(nil))
		require.ErrorIs(t, err, stack.ErrOrder, name)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]processor.Middleware{
		"no publisher": reply.New(nil, remote.JSON),
		"no protocol":  reply.New(&processortest.Publisher{}, nil),
		"nil option":   reply.New(&processortest.Publisher{}, remote.JSON, nil),
		"no unit":      reply.New(&processortest.Publisher{}, remote.JSON, reply.KeepTrying(15)),
	} {
		_, err := stack.New(ack.New(), m).Then(sum(nil))
		require.Error(t, err, name)
	}
	_, err := stack.New(ack.New(), reply.New(&processortest.Publisher{}, remote.JSON)).
		Then(remote.Handler[int, int](remote.JSON, nil))
	require.Error(t, err)
}
