package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/processor"
)

// jetStream is a NATS server in this process, as a station.
type jetStream struct {
	server    *server.Server
	conn      *nats.Conn
	streams   nats.JetStreamContext
	closer    *wmnats.Publisher
	publisher processor.Publisher
	source    broker.Source
	ackWait   time.Duration
}

var _ station = (*jetStream)(nil)

// openJetStream starts a server that keeps its messages in dir, and declares the counterpart of
// what retry.Topology declares on RabbitMQ. ackWait is how long a message may be in flight.
func openJetStream(ctx context.Context, dir string, ackWait time.Duration) (*jetStream, error) {
	s, err := startServer(dir)
	if err != nil {
		return nil, err
	}
	j := &jetStream{server: s, ackWait: ackWait}
	if err = j.connect(); err == nil {
		err = j.declare()
	}
	if err != nil {
		return nil, errors.Join(err, j.Close(context.WithoutCancel(ctx)))
	}
	return j, nil
}

func startServer(dir string) (*server.Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: dir,
		SyncAlways: true, // a confirmed message is on the disk; by default only within two minutes
		DontListen: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, errors.New("the NATS server does not start")
	}
	return s, nil
}

func (j *jetStream) connect() (err error) {
	here := nats.InProcessServer(j.server)
	if j.conn, err = nats.Connect("", here); err != nil {
		return err
	}
	if j.streams, err = j.conn.JetStream(); err != nil {
		return err
	}
	// TrackMsgId must stay off: a retry has the id of its message, and JetStream would
	// confirm it, and drop it as a duplicate.
	if j.closer, err = wmnats.NewPublisher(wmnats.PublisherConfig{NatsOptions: []nats.Option{here}}, nil); err != nil {
		return err
	}
	if j.publisher, err = watermill.NewPublisher(j.closer); err != nil {
		return err
	}
	j.source, err = watermill.NewSource(&subscriber{server: here, ackWait: j.ackWait}, queue, watermill.Return)
	return err
}

// declare makes a stream of the orders, including those that are retried, and one of the parked
// ones. In a work queue, acked messages are gone; any other stream keeps them, and a consumer that
// is deleted and made again gets them once more.
//
// The consumer is declared here, because one that watermill-nats has made is deleted when
// its subscriber ends.
func (j *jetStream) declare() error {
	_, err := j.streams.AddStream(&nats.StreamConfig{
		Name: queue, Subjects: []string{queue, "orders.retry.*"}, Retention: nats.WorkQueuePolicy, Storage: nats.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("declare stream %s: %w", queue, err)
	}
	if _, err := j.streams.AddStream(&nats.StreamConfig{Name: parked, Subjects: []string{parked}, Storage: nats.FileStorage}); err != nil {
		return fmt.Errorf("declare stream %s: %w", parked, err)
	}
	_, err = j.streams.AddConsumer(queue, &nats.ConsumerConfig{
		Durable: queue, DeliverSubject: "deliver." + queue, DeliverGroup: queue,
		AckPolicy: nats.AckExplicitPolicy, AckWait: j.ackWait,
		// No more than the workers take: the time for an ack runs while a message waits in the
		// client, and late ones come twice.
		MaxAckPending: workers,
	})
	if err != nil {
		return fmt.Errorf("declare consumer %s: %w (left by a run with another -ackwait? use that one)", queue, err)
	}
	return nil
}

// Source is where orders come from. What is rejected has been parked by the retry layer: if
// something is not, it goes back. There is one queue to take from.
func (j *jetStream) Source(string) broker.Source { return j.source }

// Publisher publishes to subjects.
func (j *jetStream) Publisher() processor.Publisher { return j.publisher }

// Ready counts what a subject holds, including messages in flight.
func (j *jetStream) Ready(ctx context.Context, subject string) (int, error) {
	stream, err := j.streams.StreamNameBySubject(subject, nats.Context(ctx))
	if err != nil {
		return 0, err
	}
	info, err := j.streams.StreamInfo(stream, &nats.StreamInfoRequest{SubjectsFilter: subject}, nats.Context(ctx))
	if err != nil {
		return 0, err
	}
	return int(info.State.Subjects[subject]), nil //nolint:gosec // as many as fit on the disk
}

// Close closes the connections, and stops the server.
func (j *jetStream) Close(context.Context) (err error) {
	if j.closer != nil {
		err = j.closer.Close()
	}
	if j.conn != nil {
		j.conn.Close()
	}
	j.server.Shutdown()
	j.server.WaitForShutdown()
	return err
}
