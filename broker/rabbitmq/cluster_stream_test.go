package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/ledger"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/publisher/retrying"
)

const (
	senders  = 4
	pause    = 4 * time.Millisecond // of a sender, between two messages
	workers  = 4
	prefetch = 20
	drain    = 5 * time.Second
)

// stream is numbered messages on their way through a quorum queue and a stack that retries and
// parks, with the outcome of each.
type stream struct {
	books   *ledger.Ledger
	broker  *rabbitmq.Broker
	journal *journal
	work    string
	parking string

	unknown atomic.Int64 // publishes of unknown outcome, those of retries as well
	refused atomic.Int64 // publishes that were nacked
	copies  sync.Map     // numbers processed as the copy of a retry
	again   atomic.Int64 // copies that were processed once more
	harmed  int          // how often a node was harmed

	publishing, consuming sync.WaitGroup
	leave                 context.CancelFunc
	enough                chan struct{} // closed to have no more messages sent
	ended                 chan error    // one from each consumer
}

// topology is a work queue, its retry queue and where its messages are parked.
func topology(tb testing.TB, work string) broker.Topology {
	tb.Helper()
	t, err := retry.Topology(broker.Queue{Name: work, Type: broker.Quorum}, work+"-retry-%delay%", retryOptions(work)...)
	require.NoError(tb, err)
	return t
}

func retryOptions(work string) []retry.Option {
	return []retry.Option{
		retry.Delays(200 * time.Millisecond), retry.Retries(2), retry.ParkKey(work + "-parked"),
		retry.KeepTrying(5 * time.Second), retry.Logger(slog.New(slog.DiscardHandler)),
	}
}

// startStream sends and consumes through b until finish. Its queues exist.
func startStream(tb testing.TB, b *rabbitmq.Broker, j *journal, work string) *stream {
	tb.Helper()
	s := &stream{
		books: ledger.New(), broker: b, journal: j, work: work, parking: work + "-parked",
		enough: make(chan struct{}), ended: make(chan error, 2),
	}
	sending, abort := context.WithCancel(context.Background())
	tb.Cleanup(func() { // what is left after a failure
		abort()
		s.publishing.Wait()
	})
	s.consumeAll(tb)
	publisher := must.Have(retrying.New(s.counted(), retrying.Backoff(50*time.Millisecond, 500*time.Millisecond)))
	for range senders {
		s.publishing.Go(func() { s.send(sending, publisher) })
	}
	return s
}

// consumeAll consumes until leave is called.
func (s *stream) consumeAll(tb testing.TB) {
	tb.Helper()
	ctx, leave := context.WithCancel(context.Background())
	s.leave = leave
	tb.Cleanup(func() {
		leave()
		s.consuming.Wait()
	})
	s.consume(tb, ctx, s.work, stack.New(
		ack.New(),
		retry.New(s.counted(), s.work+"-retry-%delay%", retryOptions(s.work)...),
		recovery.New(),
	), s.handle)
	s.consume(tb, ctx, s.parking, stack.New(ack.New()), s.parked)
}

func (s *stream) consume(tb testing.TB, ctx context.Context, queue string, layers stack.Stack, f processor.ProcessorFunc) {
	tb.Helper()
	p, err := layers.Then(f)
	require.NoError(tb, err)
	c := must.Have(consumer.New(s.broker.Source(queue), p, consumer.Workers(workers), consumer.Prefetch(prefetch),
		consumer.DrainTimeout(drain), consumer.Logger(slog.New(slog.DiscardHandler))))
	s.consuming.Go(func() { s.ended <- c.Run(ctx) })
}

// send publishes one message after the other, each until the broker has it.
func (s *stream) send(ctx context.Context, p processor.Publisher) {
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for range pace.C {
		select {
		case <-s.enough:
			return
		case <-ctx.Done():
			return
		default:
		}
		n := s.books.Send()
		s.books.Answer(n, p.Publish(ctx, to(s.work), text(strconv.Itoa(n))))
	}
}

// counted is the broker's publisher; its errors are counted.
func (s *stream) counted() processor.Publisher { return counted{s.broker.Publisher(), s} }

type counted struct {
	processor.Publisher

	s *stream
}

func (c counted) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	err := c.Publisher.Publish(ctx, to, e)
	switch {
	case errors.Is(err, processor.ErrIndeterminate):
		c.s.unknown.Add(1)
	case errors.Is(err, processor.ErrRefused):
		c.s.refused.Add(1)
	}
	return err
}

var errHandler = errors.New("the mail server says no")

// handle fails on some messages at first, and on a few always.
func (s *stream) handle(_ context.Context, msg processor.Message) error {
	n, err := strconv.Atoi(string(msg.Body()))
	if err != nil {
		return err
	}
	attempts, copied := msg.Headers().Int64(retry.HeaderAttempts)
	switch {
	case n%500 == 77:
		return errHandler
	case n%20 == 3 && attempts == 0:
		return errHandler
	case n%50 == 31 && attempts < 2:
		panic(errHandler)
	}
	s.process(n, copied)
	return nil
}

func (s *stream) parked(_ context.Context, msg processor.Message) error {
	n, err := strconv.Atoi(string(msg.Body()))
	if err != nil {
		return err
	}
	s.process(n, true)
	return nil
}

func (s *stream) process(n int, copied bool) {
	s.books.Process(n)
	if copied {
		if _, again := s.copies.LoadOrStore(n, true); again {
			s.again.Add(1)
		}
	}
}

// flows waits until messages that are sent from now on are confirmed and processed.
func (s *stream) flows(tb testing.TB) {
	tb.Helper()
	before := s.books.Books()
	s.eventually(tb, "messages flow", func(b ledger.Books) bool {
		return b.Confirmed > before.Confirmed+10*senders && b.Processed > before.Processed+10*senders
	})
}

// drained waits until every message confirmed so far is processed, and so are those delivered more
// than once.
func (s *stream) drained(tb testing.TB) {
	tb.Helper()
	s.eventually(tb, "nothing is missing", func(b ledger.Books) bool { return b.Missing == 0 && b.InFlight == 0 })
	for _, q := range topology(tb, s.work).Queues {
		ready(tb, s.broker, q.Name, 0)
	}
}

// enoughTime bounds the wait for a stream: a dead-letter worker may stop until a node is back, and
// some time after that.
const enoughTime = 2 * time.Minute

func (s *stream) eventually(tb testing.TB, what string, f func(ledger.Books) bool) {
	tb.Helper()
	for end := time.Now().Add(enoughTime); !f(s.books.Books()); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("not in %v: %s: %v\n%s", enoughTime, what, s, s.journal)
		}
	}
}

// finish waits for every message, ends the stream and closes the broker, and requires that nothing
// was lost, that little came twice, and that nothing took long to end.
func (s *stream) finish(tb testing.TB) {
	tb.Helper()
	close(s.enough)
	s.publishing.Wait()
	s.drained(tb)
	s.leave()
	start := time.Now()
	for range cap(s.ended) {
		require.NoError(tb, <-s.ended)
	}
	require.Less(tb, time.Since(start), drain+5*time.Second, "the consumers keep their deadline")
	start = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(tb, s.broker.Close(ctx))
	require.Less(tb, time.Since(start), closing, "Close keeps its deadline")
	s.account(tb)
}

// account requires that the counts are right once everything has arrived. The broker itself may
// double copies: it dead-letters again what was on its way from a retry queue.
func (s *stream) account(tb testing.TB) {
	tb.Helper()
	b := s.books.Books()
	require.Zero(tb, b.Missing, "%v\n%s", s, s.journal)
	require.Zero(tb, b.Failed, "%v\n%s", s, s.journal)
	most := prefetch*s.losses() + int(s.unknown.Load())
	copies := int(s.again.Load())
	require.LessOrEqual(tb, b.Again-copies, most, "%v\n%s", s, s.journal)
	require.LessOrEqual(tb, copies, most+handedOn*s.harmed, "%v\n%s", s, s.journal)
}

// handedOn is how many messages a quorum queue has on their way to its dead-letter target.
const handedOn = 32

// losses is how often a consumer lost its channel.
func (s *stream) losses() int {
	return s.journal.count(`"consuming channel lost`)
}

func (s *stream) String() string {
	return fmt.Sprintf("%v; of them copies again %d, unknown outcome %d, refused %d, channels lost %d",
		s.books.Books(), s.again.Load(), s.unknown.Load(), s.refused.Load(), s.losses())
}

// within requires that the stream never stood still for longer than gap.
func (s *stream) within(tb testing.TB, gap time.Duration) {
	tb.Helper()
	b := s.books.Books()
	require.Less(tb, b.PublishGap, gap, "%v\n%s", s, s.journal)
	require.Less(tb, b.ProcessGap, gap, "%v\n%s", s, s.journal)
}
