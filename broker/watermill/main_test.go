package watermill_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

var errMail = errors.New("550 no such mailbox")

// goChannel returns a Watermill broker that is closed when the test ends.
func goChannel(tb testing.TB, c gochannel.Config) *gochannel.GoChannel {
	tb.Helper()
	g := gochannel.NewGoChannel(c, nil)
	tb.Cleanup(func() { require.NoError(tb, g.Close()) })
	return g
}

// published records messages, or fails.
type published struct {
	mu       sync.Mutex
	topics   []string
	messages []*message.Message
	failure  error
}

func (p *published) Publish(topic string, messages ...*message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure != nil {
		return p.failure
	}
	for _, m := range messages {
		p.topics, p.messages = append(p.topics, topic), append(p.messages, m)
	}
	return nil
}

func (*published) Close() error { return nil }

// deadLetters records rejected messages.
type deadLetters struct {
	reasons []error
	topics  []string
	failure error
}

func (d *deadLetters) take(_ *message.Message, topic string, err error) error {
	d.reasons, d.topics = append(d.reasons, err), append(d.topics, topic)
	return d.failure
}

// gives is a handler that returns err.
func gives(err error) processor.ProcessorFunc {
	return func(context.Context, processor.Message) error { return err }
}

// layer turns a function that is called with the next layer into a middleware.
func layer(f func(ctx context.Context, msg processor.Message, next processor.Processor) error) processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error { return f(ctx, msg, next) })
	}
}
