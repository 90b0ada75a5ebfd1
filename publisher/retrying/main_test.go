package retrying_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// patience bounds every wait.
const patience = 40 * time.Second

var to = processor.Destination{Exchange: "app", RoutingKey: "user.7"}

// script is a publisher that gives one answer after the other, and repeats the last.
type script struct {
	answers []error
	start   time.Time

	mu  sync.Mutex
	at  []time.Duration // when it was called
	got []processor.Envelope
}

func newScript(answers ...error) *script { return &script{answers: answers, start: time.Now()} }

func (s *script) Publish(_ context.Context, _ processor.Destination, e processor.Envelope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.start))
	s.got = append(s.got, e)
	return s.answers[min(len(s.at), len(s.answers))-1]
}

// open opens a broker on nodes that declares a queue.
func open(t *testing.T, queue broker.Queue, urls []string, opts ...rabbitmq.Option) *rabbitmq.Broker {
	t.Helper()
	ctx := within(t, patience)
	b, err := rabbitmq.Open(ctx, urls, append(opts, rabbitmq.Logger(slog.New(slog.DiscardHandler)))...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.Close(ctx)
	})
	require.NoError(t, b.Declare(ctx, broker.Topology{Queues: []broker.Queue{queue}}))
	return b
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

var names atomic.Int64

// name returns a name that no other test uses.
func name(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%s-%d", t.Name(), names.Add(1))
}

func text(id string) processor.Envelope {
	return processor.Envelope{Body: []byte(id), Properties: processor.Properties{ID: id}}
}
