package direct_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq/direct"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// The line's channel was closed while requests were being written on it. RabbitMQ ends the connection over
// that, with all that the program publishes.
func TestCloseEndsNoConnection(t *testing.T) {
	t.Parallel()
	b := rig.Open(t, rabbitmqtest.Start(t).URL())
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q", MaxLength: 1}}}))
	session, err := b.Publishing().Session(t.Context())
	require.NoError(t, err)
	for range 20 {
		closeWhilePublishing(t, direct.Replies(b, direct.Logger(quiet)))
		require.NoError(t, b.Publisher().Publish(rig.Within(t), at("q"), rig.Text("x")))
		require.NoError(t, session.Err())
	}
}

func closeWhilePublishing(t *testing.T, line *direct.Line) {
	t.Helper()
	p, err := line.Publisher(t.Context())
	require.NoError(t, err)
	begun := make(chan struct{}, 1000)
	request := processor.Envelope{Body: make([]byte, 1<<20), Properties: processor.Properties{CorrelationID: "1"}}
	var publishing sync.WaitGroup
	for range 8 {
		publishing.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
				err := p.Publish(ctx, at("q"), request)
				cancel()
				if err != nil {
					return
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	require.NoError(t, line.Close(rig.Within(t)))
	publishing.Wait()
}

// first is a log, closed at its first line.
type first struct {
	once sync.Once
	came chan struct{}
}

func (f *first) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.came) })
	return len(p), nil
}

var _ io.Writer = (*first)(nil)

// It waited for the answer of the queue, however long that took.
func TestAPublishEndsWithItsContextAlsoAfterClose(t *testing.T) {
	t.Parallel()
	b, _, hung, _ := hanging(t, broker.Quorum)
	silent := &first{came: make(chan struct{})}
	line := direct.Replies(b, direct.Logger(slog.New(slog.NewTextHandler(silent, nil))))
	p, err := line.Publisher(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- p.Publish(ctx, at(hung), processor.Envelope{Properties: processor.Properties{CorrelationID: "1"}})
	}()
	<-silent.came
	require.ErrorIs(t, line.Close(rig.WithinTime(t, 100*time.Millisecond)), context.DeadlineExceeded)
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, processor.ErrIndeterminate)
	case <-time.After(time.Second):
		t.Fatal("the publish goes on")
	}
}
