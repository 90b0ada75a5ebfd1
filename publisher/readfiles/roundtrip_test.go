package readfiles_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/writefiles"
	"github.com/gowarren/warren/publisher/readfiles"
)

// random makes messages with all that a broker carries.
type random struct{ *rand.Rand }

func (r random) text(most int) string {
	b := make([]byte, r.IntN(most))
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	if r.IntN(2) == 0 {
		return strings.ToValidUTF8(string(b), "?")
	}
	return string(b)
}

func (r random) value(depth int) any {
	n := r.Uint64()
	kinds := []any{
		nil, n%2 == 0, int8(n), int16(n), int32(n), int64(n), uint8(n), uint16(n), uint32(n), int(n), uint(n >> 1), n >> 1,
		float32(r.NormFloat64()), r.NormFloat64(), math.SmallestNonzeroFloat64, math.Copysign(0, -1), r.text(50), []byte(r.text(50)), []byte{},
		processor.Decimal{Scale: uint8(n), Value: int32(n)}, time.Unix(int64(n>>32), 0),
	}
	if pick := r.IntN(len(kinds) + 2); pick < len(kinds) {
		return kinds[pick]
	} else if depth > 3 {
		return "deep"
	} else if pick == len(kinds) {
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = r.value(depth + 1)
		}
		return list
	}
	return r.headers(depth + 1)
}

func (r random) headers(depth int) processor.Headers {
	h := processor.Headers{}
	for range r.IntN(6) {
		h["h"+r.text(20)] = r.value(depth) // not one that steers the broker
	}
	return h
}

// message returns one as the broker delivers it.
func (r random) message(t *testing.T, id int) processor.Envelope {
	t.Helper()
	e := processor.Envelope{
		Body: fmt.Append(nil, id, r.text(1000)), Headers: r.headers(0),
		Properties: processor.Properties{
			ID: fmt.Sprint("<", id, "@", r.text(20), ">"), CorrelationID: r.text(20), Type: r.text(20), AppID: r.text(20), ContentType: r.text(20),
			ContentEncoding: r.text(20), Timestamp: time.Unix(1+r.Int64N(1<<33), 0).UTC(), Priority: uint8(r.IntN(10)), Transient: r.IntN(2) == 0,
			Expiration: time.Duration(r.IntN(2)) * time.Hour,
		},
	}
	e, err := broker.Prepare(to, e)
	require.NoError(t, err)
	return e
}

// worker consumes from a queue into the directory new of a Maildir.
func worker(t *testing.T, b broker.Broker, queue string, d maildir) {
	t.Helper()
	pipeline := must.Have(stack.New(ack.New(ack.RequeueOnError())).Then(writefiles.Handler(string(d), writefiles.Pattern("new/${routing_key}-${unique}"))))
	c := must.Have(consumer.New(b.Source(queue), pipeline, consumer.Workers(8)))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// receive returns n messages of a queue, by their ids.
func receive(t *testing.T, b broker.Broker, queue string, n int) map[string]*broker.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sub := must.Have(b.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1000}))
	defer func() { require.NoError(t, sub.Close(ctx)) }()
	all := map[string]*broker.Delivery{}
	for range n {
		msg, err := sub.Receive(ctx)
		require.NoError(t, err)
		require.Nil(t, all[msg.Properties().ID], "once")
		all[msg.Properties().ID] = msg
		require.NoError(t, msg.Ack())
	}
	return all
}

func requireEqual(t *testing.T, want, got processor.Envelope) {
	t.Helper()
	require.Equal(t, string(want.Body), string(got.Body))
	require.Equal(t, want.Properties, got.Properties)
	if len(want.Headers) > 0 || len(got.Headers) > 0 { // none may be nil or empty
		require.Equal(t, want.Headers, got.Headers)
	}
}

// From a queue into a directory, and from there into another queue.
func TestAMessageIsTheSameBehindADirectory(t *testing.T) {
	t.Parallel()
	const messages = 300
	d, r := newMaildir(t), random{rand.New(rand.NewPCG(1, 2))}
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "in"}, {Name: to.RoutingKey}}}))
	sent := map[string]processor.Envelope{}
	for i := range messages {
		e := r.message(t, i)
		sent[e.ID] = e
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "in"}, e))
	}
	worker(t, b, "in", d)
	d.read(t, b.Publisher(), fast()...)
	got := receive(t, b, to.RoutingKey, messages)
	for id, e := range sent {
		requireEqual(t, e, processor.Envelope{Body: got[id].Body(), Headers: got[id].Headers(), Properties: got[id].Properties()})
	}
	eventually(t, func() bool { return len(d.list(t, "cur")) == 2*messages })
	require.Empty(t, d.list(t, "failed"))
}

// On real RabbitMQ: a directory, a queue, a directory, a queue and a directory.
func TestFilesAreTheSameBehindAQueue(t *testing.T) {
	t.Parallel()
	b, err := rabbitmq.Open(t.Context(), []string{rabbitmqtest.Shared(t).URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	first, second := "files-first", "files-second"
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: first, Type: broker.Quorum}, {Name: second}}}))
	start := func(d maildir, queue string, opts ...readfiles.Option) {
		reader := must.Have(readfiles.New(string(d), b.Publisher(), processor.Destination{RoutingKey: queue}, fast(opts...)...))
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error)
		go func() { done <- reader.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	const plain, paired = 100, 100
	source, middle, end := newMaildir(t), newMaildir(t), newMaildir(t)
	r := random{rand.New(rand.NewPCG(3, 4))}
	want := map[string]processor.Envelope{} // by body
	for i := range plain {
		name, content := fmt.Sprint("bill ", i, " \xff.xml"), fmt.Sprint("plain ", i, r.text(5000))
		source.putContent(t, name, content)
		want[content] = processor.Envelope{
			Body: []byte(content), Headers: processor.Headers{"X-Filename": name}, Properties: processor.Properties{ContentType: "text/xml"},
		}
	}
	for i := range paired {
		e := r.message(t, i)
		want[string(e.Body)] = e
		source.putContent(t, fmt.Sprint(i, headersfile.Suffix), string(must.Have(headersfile.Write(to, e))))
		source.putContent(t, fmt.Sprint(i), string(e.Body))
	}
	start(source, first, readfiles.ContentType("text/xml"))
	worker(t, b, first, middle)
	start(middle, second)
	worker(t, b, second, end)

	visible := func() []string {
		return slices.DeleteFunc(end.list(t, "new"), func(name string) bool { return name[0] == '.' })
	}
	eventually(t, func() bool { return len(visible()) >= 2*len(want) })
	for _, name := range visible() {
		if headersfile.Is(name) {
			continue
		}
		body := end.content(t, "new", name)
		at, got, err := headersfile.Read(must.Have(os.ReadFile(end.path("new", name+headersfile.Suffix))), []byte(body))
		require.NoError(t, err)
		require.Equal(t, second, at.RoutingKey)
		e, there := want[body]
		require.True(t, there)
		delete(want, body)
		if e.ID == "" {
			require.NotEmpty(t, got.ID)
			require.False(t, got.Timestamp.IsZero())
			e.ID, e.Timestamp = got.ID, got.Timestamp
		}
		requireEqual(t, e, got)
	}
	require.Empty(t, want)
	eventually(t, func() bool { return len(source.list(t, "cur")) == plain+2*paired })
	require.Empty(t, source.list(t, "failed"))
	require.Empty(t, middle.list(t, "failed"))
}
