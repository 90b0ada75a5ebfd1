package direct_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq"
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

// It waited for the answer of the queue, however long that took.
func TestAPublishEndsWithItsContextAlsoAfterClose(t *testing.T) {
	t.Parallel()
	b, _, hung, _ := hanging(t, broker.Quorum)
	line := direct.Replies(b, direct.Logger(quiet))
	require.NoError(t, line.Health())
	p, err := line.Publisher(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- p.Publish(ctx, at(hung), processor.Envelope{Properties: processor.Properties{CorrelationID: "1"}})
	}()
	require.Eventually(t, func() bool { return line.Health() != nil }, rig.Patience, time.Millisecond)
	require.ErrorIs(t, line.Health(), rabbitmq.ErrQueueDown)
	require.ErrorContains(t, line.Health(), hung)
	require.ErrorIs(t, line.Close(rig.WithinTime(t, 100*time.Millisecond)), context.DeadlineExceeded)
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, processor.ErrIndeterminate)
	case <-time.After(time.Second):
		t.Fatal("the publish goes on")
	}
}

// It said that the broker was closed.
func TestAClosedLineSaysSo(t *testing.T) {
	t.Parallel()
	b := rig.Open(t, rabbitmqtest.Shared(t).URL())
	closed := func(line *direct.Line) error {
		p, err := line.Publisher(t.Context())
		require.NoError(t, err)
		err = p.Publish(rig.Within(t), at(name()), processor.Envelope{Properties: processor.Properties{CorrelationID: "1"}})
		require.ErrorIs(t, err, processor.ErrClosed)
		return err
	}
	line := direct.Replies(b, direct.Logger(quiet))
	require.NoError(t, line.Close(rig.Within(t)))
	require.NotContains(t, closed(line).Error(), "broker")
	line = direct.Replies(b, direct.Logger(quiet))
	require.NoError(t, b.Close(rig.Within(t)))
	require.ErrorContains(t, closed(line), "the broker is closed")
	require.NoError(t, line.Close(rig.Within(t)))
}
