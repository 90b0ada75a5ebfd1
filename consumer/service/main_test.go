package service_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

var (
	errMail = errors.New("the mail server is gone for good")
	quiet   = service.Logger(slog.New(slog.DiscardHandler))
)

// spy is a memory broker that notes what is asked of it, and that a test can disturb.
type spy struct {
	*memory.Broker
	declare func(ctx context.Context) error // before each Declare; nil is nothing

	mu       sync.Mutex
	declared int
	closed   int
	stuck    error // of Close
}

func newSpy() *spy { return &spy{Broker: memory.New()} }

func (s *spy) Declare(ctx context.Context, t broker.Topology) error {
	s.mu.Lock()
	s.declared++
	s.mu.Unlock()
	if s.declare != nil {
		if err := s.declare(ctx); err != nil {
			return err
		}
	}
	return s.Broker.Declare(ctx, t)
}

func (s *spy) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed++
	s.mu.Unlock()
	return errors.Join(s.stuck, s.Broker.Close(ctx))
}

func (s *spy) times() (declared, closed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.declared, s.closed
}

// queue is a handler that drops what fails, and says so by its name.
func queue(name string, f processor.ProcessorFunc) service.Handler {
	return service.Handler{Queue: broker.Queue{Name: name}, Stack: stack.New(ack.New(), recovery.New()), Handle: f}
}

func nothing(context.Context, processor.Message) error { return nil }

// stops fails for good at its first message.
func stops(context.Context, processor.Message) error { return processor.Stop(errMail) }

func post(t *testing.T, b broker.Broker, queues ...string) {
	t.Helper()
	for _, q := range queues {
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: q}, processor.Envelope{}))
	}
}

// newService returns one that leaves signals alone, so that it can run in a bubble.
func newService(t *testing.T, b broker.Broker, opts ...service.Option) *service.Service {
	t.Helper()
	s, err := service.New(b, append([]service.Option{quiet, service.Signals()}, opts...)...)
	require.NoError(t, err)
	return s
}

// started runs s in the background until ended is called, which returns what Run returned.
func started(t *testing.T, s *service.Service) (ended func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	return func() error { cancel(); return <-result }
}

// consuming is started, and returns when s is ready.
func consuming(t *testing.T, s *service.Service) (ended func() error) {
	t.Helper()
	end := started(t, s)
	begins(t, s)
	return end
}

// begins returns when s is ready.
func begins(t *testing.T, s *service.Service) {
	t.Helper()
	select {
	case <-s.Ready():
	case <-time.After(minute):
		require.Fail(t, "the service does not begin", "%v", s.States())
	}
}

func isReady(s *service.Service) bool {
	select {
	case <-s.Ready():
		return true
	default:
		return false
	}
}

func phases(s *service.Service) map[string]service.Phase {
	all := map[string]service.Phase{}
	for _, state := range s.States() {
		all[state.Queue] = state.Phase
	}
	return all
}

// log is where a service logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) option() service.Option { return service.Logger(slog.New(slog.NewTextHandler(l, nil))) }

// Bounds of waiting, and how often it is looked.
const (
	minute   = time.Minute
	patience = 10 * time.Millisecond
)
