package nameko_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/nameko"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/publisher/rpc"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// terms are what add takes.
type terms struct {
	A int  `json:"a"`
	B int  `json:"b"`
	C *int `json:"c,omitempty"`
}

func add(_ context.Context, t terms, _ processor.Message) (int, error) {
	if t.C != nil {
		return t.A + t.B + *t.C, nil
	}
	return t.A + t.B, nil
}

// answer is the body that a request for a method of the service gets.
func answer(t *testing.T, method, body string, properties processor.Properties) string {
	t.Helper()
	var p processortest.Publisher
	pipeline, err := stack.New(ack.New(), reply.New(&p, nameko.Protocol), recovery.New()).Then(mux.New(nameko.ByMethod,
		mux.On("add", remote.Handler(nameko.Protocol, add)),
		mux.On("sum", remote.Handler(nameko.Protocol, func(_ context.Context, all []int, _ processor.Message) (int, error) { return len(all), nil })),
		mux.On("half", remote.Handler(nameko.Protocol, func(_ context.Context, n float64, _ processor.Message) (float64, error) { return n / 2, nil })),
		mux.On("count", remote.Handler(nameko.Protocol, func(_ context.Context, a nameko.Arguments, _ processor.Message) (int, error) {
			return len(a.Args) + len(a.Kwargs), nil
		})),
		mux.On("fail", remote.Handler(nameko.Protocol, func(context.Context, nameko.Arguments, processor.Message) (int, error) { return 0, errors.New("no") })),
	))
	require.NoError(t, err)
	properties.ReplyTo, properties.CorrelationID = "uuid", "c1"
	_ = pipeline.Process(t.Context(), processortest.NewMessage(
		processortest.Body(body), processortest.Properties(properties),
		processortest.Origin(processor.Origin{Queue: "rpc-calculator", Exchange: "nameko-rpc", RoutingKey: "calculator." + method})))
	sent := p.Published()
	require.Len(t, sent, 1)
	require.Equal(t, processor.Destination{Exchange: "nameko-rpc", RoutingKey: "uuid"}, sent[0].To)
	e := sent[0].Envelope
	require.Equal(t, "application/json", e.ContentType)
	require.Equal(t, "utf-8", e.ContentEncoding)
	require.Equal(t, "c1", e.CorrelationID)
	return string(e.Body)
}

var python = processor.Properties{ContentType: "application/json", ContentEncoding: "utf-8"}

func TestArgumentsAsPythonSendsThem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, body, want string }{
		{"positions", "add", `{"args": [20, 22], "kwargs": {}}`, "42"},
		{"keywords", "add", `{"args": [], "kwargs": {"b": 22, "a": 20}}`, "42"},
		{"both", "add", `{"args": [20], "kwargs": {"b": 22}}`, "42"},
		{"an optional one", "add", `{"args": [20, 20, 2], "kwargs": {}}`, "42"},
		{"a slice", "sum", `{"args": [1, 2, 3], "kwargs": {}}`, "3"},
		{"no argument of a slice", "sum", `{"args": [], "kwargs": {}}`, "0"},
		{"a single value", "half", `{"args": [3], "kwargs": {}}`, "1.5"},
		{"as they are", "count", `{"args": [1, null], "kwargs": {"x": {}}}`, "3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.JSONEq(t, `{"result": `+tc.want+`, "error": null}`, answer(t, tc.method, tc.body, python))
		})
	}
}

func TestWhatDoesNotFitIsAnsweredAsPythonDoes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, body, kind, path string }{
		{"too few", "add", `{"args": [20], "kwargs": {}}`, "IncorrectSignature", "nameko.exceptions.IncorrectSignature"},
		{"too many", "add", `{"args": [1, 2, 3, 4], "kwargs": {}}`, "IncorrectSignature", "nameko.exceptions.IncorrectSignature"},
		{"twice", "add", `{"args": [1, 2], "kwargs": {"a": 1}}`, "IncorrectSignature", "nameko.exceptions.IncorrectSignature"},
		{"unknown keyword", "add", `{"args": [1, 2], "kwargs": {"x": 1}}`, "IncorrectSignature", "nameko.exceptions.IncorrectSignature"},
		{"a keyword for a slice", "sum", `{"args": [], "kwargs": {"x": 1}}`, "IncorrectSignature", "nameko.exceptions.IncorrectSignature"},
		{"wrong type", "add", `{"args": ["x", 2], "kwargs": {}}`, "IncorrectSignature", "nameko.exceptions.IncorrectSignature"},
		{"no args", "add", `{"kwargs": {}}`, "MalformedRequest", "nameko.exceptions.MalformedRequest"},
		{"null", "add", `null`, "MalformedRequest", "nameko.exceptions.MalformedRequest"},
		{"no object", "add", `[]`, "MalformedRequest", "nameko.exceptions.MalformedRequest"},
		{"no JSON", "add", "\xff\x00", "MalformedRequest", "nameko.exceptions.MalformedRequest"},
		{"empty", "add", "", "MalformedRequest", "nameko.exceptions.MalformedRequest"},
		{"unknown method", "product", `{"args": [], "kwargs": {}}`, "MethodNotFound", "nameko.exceptions.MethodNotFound"},
		{"an error of the service's", "fail", `{"args": [], "kwargs": {}}`, "Internal", "warren.Internal"},
	} {
		for sender, properties := range map[string]processor.Properties{"python": python, "no content type": {}, "text": {ContentType: "text/plain"}} {
			t.Run(tc.name+", "+sender, func(t *testing.T) {
				t.Parallel()
				var got struct {
					Result any `json:"result"`
					Error  struct {
						Type  string `json:"exc_type"` //nolint:tagliatelle // nameko
						Path  string `json:"exc_path"` //nolint:tagliatelle // nameko
						Args  []any  `json:"exc_args"` //nolint:tagliatelle // nameko
						Value string `json:"value"`
					} `json:"error"`
				}
				require.NoError(t, json.Unmarshal([]byte(answer(t, tc.method, tc.body, properties)), &got))
				require.Nil(t, got.Result)
				require.Equal(t, tc.kind, got.Error.Type)
				require.Equal(t, tc.path, got.Error.Path)
				require.NotEmpty(t, got.Error.Value)
				require.Equal(t, []any{got.Error.Value}, got.Error.Args)
			})
		}
	}
}

func TestARequestThatPythonHasDelayedFindsItsMethod(t *testing.T) {
	t.Parallel()
	require.Equal(t, "add", nameko.ByMethod(processortest.NewMessage(
		processortest.Header(nameko.HeaderMethod, "calculator.add"),
		processortest.Origin(processor.Origin{Queue: "rpc-calculator", RoutingKey: "rpc-calculator"}))))
}

func TestRequestsAsPythonTakesThem(t *testing.T) {
	t.Parallel()
	type pair struct {
		X int `json:"x"`
	}
	for want, args := range map[string]any{
		`{"args": [20, 22], "kwargs": {}}`:           []int{20, 22},
		`{"args": [], "kwargs": {"x": 1}}`:           pair{1},
		`{"args": [], "kwargs": {"y": "z"}}`:         map[string]string{"y": "z"},
		`{"args": ["text"], "kwargs": {}}`:           "text",
		`{"args": [], "kwargs": {}}`:                 nil,
		`{"args": [[1, 2]], "kwargs": {"deep": {}}}`: nameko.Args{Args: []any{[]int{1, 2}}, Kwargs: map[string]any{"deep": struct{}{}}},
	} {
		e, err := nameko.Protocol.EncodeRequest(args)
		require.NoError(t, err)
		require.JSONEq(t, want, string(e.Body))
		require.Equal(t, "application/json", e.ContentType)
		require.Equal(t, "utf-8", e.ContentEncoding)
		require.Len(t, e.Headers[nameko.HeaderCalls], 1)
	}
	_, err := nameko.Protocol.EncodeRequest(make(chan int))
	require.Error(t, err)
}

func TestRepliesAsPythonSendsThem(t *testing.T) {
	t.Parallel()
	decode := func(body string) (n int, err error) {
		err = nameko.Protocol.DecodeReply(processortest.NewMessage(processortest.Body(body)), &n)
		return n, err
	}
	n, err := decode(`{"result": 42, "error": null}`)
	require.NoError(t, err)
	require.Equal(t, 42, n)
	n, err = decode(`{"result": 42}`)
	require.NoError(t, err)
	require.Equal(t, 42, n)

	var failure *remote.Error
	_, err = decode(`{"result": null, "error": {"exc_type": "Expired", "exc_path": "nameko_amqp_retry.backoff.Expired", "exc_args": ["7"], "value": "Backoff aborted"}}`)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, remote.Error{Type: "Expired", Message: "Backoff aborted", Details: map[string]any{
		"exc_path": "nameko_amqp_retry.backoff.Expired", "exc_args": []any{"7"},
	}}, *failure)
	_, err = decode(`{"result": null, "error": {"exc_type": "E", "value": 7}}`)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, remote.Error{Type: "E", Message: "7"}, *failure)

	for _, bent := range []string{"", "{", "[]", "{}", `{"result": "x"}`, `{"error": 7}`} {
		_, err := decode(bent)
		require.Error(t, err, bent)
	}
}

func TestAClientCallsAServiceInNamekosWords(t *testing.T) {
	t.Parallel()
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.Background())) }()
	require.NoError(t, b.Declare(t.Context(), nameko.Service("calculator")))
	pipeline, err := stack.New(ack.New(), reply.New(b.Publisher(), nameko.Protocol), recovery.New()).
		Then(mux.New(nameko.ByMethod, mux.On("add", remote.Handler(nameko.Protocol, add))))
	require.NoError(t, err)
	c, err := consumer.New(b.Source(nameko.ServiceQueue("calculator")), pipeline)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() { stop(); require.NoError(t, <-done) }()

	client, err := rpc.New(rpc.Queue(b, "rpc.reply-web", rpc.Bind(nameko.Exchange, "uuid")), nameko.Protocol)
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close(context.Background())) }()
	sum, err := rpc.Call[int](t.Context(), client, nameko.Method("calculator", "add"), terms{A: 20, B: 22})
	require.NoError(t, err)
	require.Equal(t, 42, sum)
	var failure *remote.Error
	_, err = rpc.Call[int](t.Context(), client, nameko.Method("calculator", "add"), []int{1})
	require.ErrorAs(t, err, &failure)
	require.Equal(t, nameko.TypeSignature, failure.Type)
	_, err = rpc.Call[int](t.Context(), client, nameko.Method("nobody", "add"), nil)
	require.ErrorIs(t, err, processor.ErrUnroutable)
}

func TestAnEventReachesTheQueueThatTheInstancesShare(t *testing.T) {
	t.Parallel()
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.Background())) }()
	require.NoError(t, b.Declare(t.Context(), nameko.Events("orders", "created", "mail", "on_created")))
	require.NoError(t, b.Publisher().Publish(t.Context(), nameko.Event("orders", "created"), processor.Envelope{}))
	n, err := b.Ready(t.Context(), "evt-orders-created--mail.on_created")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func FuzzRequest(f *testing.F) {
	f.Add(`{"args": [20, 22], "kwargs": {"c": 1}}`)
	f.Fuzz(func(_ *testing.T, body string) {
		msg := processortest.NewMessage(processortest.Body(body))
		for _, v := range []any{new(terms), new([]int), new(int), new(nameko.Arguments), new(map[string]any), new(any)} {
			_ = nameko.Protocol.DecodeRequest(msg, v)
		}
		_ = nameko.Protocol.DecodeReply(msg, new(any))
	})
}
