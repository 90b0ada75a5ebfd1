package rabbitmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/processors/respond"
)

// service takes requests from a queue and publishes what they lead to into another one, all confirmed
// before the request is acked.
type service interface {
	// reply takes n requests and answers each.
	reply(ctx context.Context, queue string, n, workers int) (time.Time, error)
	// respond takes n messages, and publishes two results to sink for each.
	respond(ctx context.Context, queue, sink string, n, workers int) (time.Time, error)
}

// answering are the measurements: what a service does, and how many messages it leads to.
var answering = []struct {
	name    string
	results int
	raw     func(tb testing.TB, url string) service
	do      func(ctx context.Context, s service, queue, sink string, n, workers int) (time.Time, error)
}{
	{"reply", 1, newRawService, func(ctx context.Context, s service, queue, _ string, n, workers int) (time.Time, error) {
		return s.reply(ctx, queue, n, workers)
	}},
	{"results", 2, newRawService, respondTwice},
	{"results-beside-transactions", 2, newTransactions, respondTwice},
}

func respondTwice(ctx context.Context, s service, queue, sink string, n, workers int) (time.Time, error) {
	return s.respond(ctx, queue, sink, n, workers)
}

// BenchmarkAnswers lets Warren's reply and respond layers, and the same by hand, take turns.
func BenchmarkAnswers(b *testing.B) {
	for _, row := range answering {
		for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
			for _, workers := range []int{1, 8} {
				b.Run(fmt.Sprintf("%s/%s/workers=%d", row.name, kind, workers), func(b *testing.B) {
					turn := 150 * workers
					d := newDuel(b, kind, newWarrenClient)
					raw, warren := row.raw(b, d.url), newWarren(b, d.url)
					var by, other []cost
					for b.Loop() {
						for range pairs / 2 { // so that neither is always second
							by = append(by, serve(b, d, row.do, raw, turn, workers, row.results))
							other = append(other, serve(b, d, row.do, warren, turn, workers, row.results))
							other = append(other, serve(b, d, row.do, warren, turn, workers, row.results))
							by = append(by, serve(b, d, row.do, raw, turn, workers, row.results))
						}
					}
					report(b, float64(turn), by, other)
				})
			}
		}
	}
}

// Both sides really publish every result.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range answering {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDuel(t, broker.Quorum, newWarrenClient)
			for _, s := range []service{row.raw(t, d.url), newWarren(t, d.url)} {
				serve(t, d, row.do, s, 50, 4, row.results)
			}
		})
	}
}

// serve is one turn of a service. The number of results is checked.
func serve(tb testing.TB, d *duel, do func(context.Context, service, string, string, int, int) (time.Time, error),
	s service, n, workers, results int,
) cost {
	tb.Helper()
	sink := d.queue + "-sink"
	_, err := d.referee.QueueDeclare(sink, true, false, true, false, amqp.Table{"x-queue-type": string(broker.Classic)})
	require.NoError(tb, err)
	defer func() { _, _ = d.referee.QueueDelete(sink, false, false, false) }()
	_, err = d.referee.QueuePurge(d.queue, false)
	require.NoError(tb, err)
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	for range n {
		err := d.referee.PublishWithContext(ctx, "", d.queue, true, false, amqp.Publishing{
			Body: []byte("[20,22]"), ReplyTo: sink, CorrelationId: "4711", MessageId: "4711", DeliveryMode: amqp.Persistent,
		})
		require.NoError(tb, err)
	}
	d.check(tb, task{left: n})
	var before, after runtime.MemStats
	runtime.GC() // neither side pays for the other's garbage
	runtime.ReadMemStats(&before)
	begin := time.Now()
	end, err := do(ctx, s, d.queue, sink, n, workers)
	runtime.ReadMemStats(&after)
	require.NoError(tb, err)
	d.check(tb, task{})
	q, err := d.referee.QueueDeclarePassive(sink, true, false, true, false, nil)
	require.NoError(tb, err)
	require.Equal(tb, results*n, q.Messages)
	return cost{time: end.Sub(begin), allocs: after.Mallocs - before.Mallocs, bytes: after.TotalAlloc - before.TotalAlloc}
}

// reply implements [service] with the layer of that name.
func (w *warrenClient) reply(ctx context.Context, queue string, n, workers int) (time.Time, error) {
	add := func(_ context.Context, numbers []int, _ processor.Message) (int, error) {
		return numbers[0] + numbers[1], nil
	}
	return w.serve(ctx, queue, n, workers, remote.Handler(remote.JSON, add),
		ack.New(), reply.New(w.broker.Publisher(), remote.JSON), recovery.New())
}

// respond implements [service] with the layer of that name.
func (w *warrenClient) respond(ctx context.Context, queue, sink string, n, workers int) (time.Time, error) {
	result := respond.Result{To: processor.Destination{RoutingKey: sink}, Envelope: processor.Envelope{Body: body}}
	two := func(context.Context, processor.Message) ([]respond.Result, error) {
		return []respond.Result{result, result}, nil
	}
	return w.serve(ctx, queue, n, workers, respond.Handler(two), ack.New(), respond.New(w.broker.Publisher()), recovery.New())
}

// rawService is the same by hand. In transactions each worker has a channel of its own, on which it
// publishes, acks and commits.
type rawService struct {
	*rawClient
	transactions bool
}

func newRawService(tb testing.TB, url string) service {
	tb.Helper()
	return &rawService{rawClient: newRaw(tb, url)}
}

func newTransactions(tb testing.TB, url string) service {
	tb.Helper()
	return &rawService{rawClient: newRaw(tb, url), transactions: true}
}

func (r *rawService) reply(ctx context.Context, queue string, n, workers int) (time.Time, error) {
	return r.serve(ctx, queue, n, workers, func(d *amqp.Delivery) ([]string, []amqp.Publishing, error) {
		var numbers []int
		if err := json.Unmarshal(d.Body, &numbers); err != nil {
			return nil, nil, err
		}
		sum, err := json.Marshal(map[string]int{"result": numbers[0] + numbers[1]})
		return []string{d.ReplyTo}, []amqp.Publishing{{
			Body: sum, CorrelationId: d.CorrelationId, ContentType: "application/json", DeliveryMode: amqp.Persistent,
		}}, err
	})
}

func (r *rawService) respond(ctx context.Context, queue, sink string, n, workers int) (time.Time, error) {
	return r.serve(ctx, queue, n, workers, func(d *amqp.Delivery) ([]string, []amqp.Publishing, error) {
		p := amqp.Publishing{Body: body, CorrelationId: d.MessageId, DeliveryMode: amqp.Persistent}
		return []string{sink, sink}, []amqp.Publishing{p, p}, nil
	})
}

type handler func(*amqp.Delivery) (keys []string, results []amqp.Publishing, err error)

func (r *rawService) serve(ctx context.Context, queue string, n, workers int, h handler) (time.Time, error) {
	last := make(chan time.Time, 1)
	var done atomic.Int64
	finish := func() {
		if done.Add(1) == int64(n) {
			last <- time.Now()
		}
	}
	channels := 1
	if r.transactions {
		channels, workers = workers, 1
	}
	var errs []error
	ends := make(chan error, channels*workers)
	for range channels {
		ch, deliveries, err := r.open(queue, prefetch/channels)
		errs = append(errs, err)
		if err != nil {
			continue
		}
		// A channel that is closed at once forgets acks that are on their way to a quorum queue.
		defer func() { _, _ = ch.Cancel(tag, false), ch.Close() }()
		for range workers {
			go func() { ends <- r.work(ctx, ch, deliveries, h, finish) }()
		}
	}
	var end time.Time
	select {
	case end = <-last:
	case err := <-ends:
		errs = append(errs, err)
	case <-ctx.Done():
		errs = append(errs, ctx.Err())
	}
	return end, errors.Join(errs...)
}

func (r *rawService) open(queue string, prefetch int) (*amqp.Channel, <-chan amqp.Delivery, error) {
	ch, err := r.consuming.Channel()
	if err != nil {
		return nil, nil, err
	}
	if r.transactions {
		err = ch.Tx()
	}
	err = errors.Join(err, ch.Qos(prefetch, 0, false))
	deliveries, consumed := ch.Consume(queue, tag, false, false, false, false, nil)
	return ch, deliveries, errors.Join(err, consumed)
}

func (r *rawService) work(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery, h handler, finish func()) error {
	for d := range deliveries {
		keys, results, err := h(&d)
		if err != nil {
			return err
		}
		if r.transactions {
			err = r.commit(ctx, ch, &d, keys, results)
		} else {
			err = r.confirm(ctx, &d, keys, results)
		}
		if err != nil {
			return err
		}
		finish()
	}
	return nil
}

func (r *rawService) commit(ctx context.Context, ch *amqp.Channel, d *amqp.Delivery, keys []string, results []amqp.Publishing) error {
	for i, result := range results {
		if err := ch.PublishWithContext(ctx, "", keys[i], true, false, result); err != nil {
			return err
		}
	}
	if err := d.Ack(false); err != nil {
		return err
	}
	return ch.TxCommit()
}

func (r *rawService) confirm(ctx context.Context, d *amqp.Delivery, keys []string, results []amqp.Publishing) error {
	confirms := make([]*amqp.DeferredConfirmation, len(results))
	for i, result := range results {
		var err error
		if confirms[i], err = r.publishing.PublishWithDeferredConfirmWithContext(ctx, "", keys[i], true, false, result); err != nil {
			return err
		}
	}
	for _, confirm := range confirms {
		if acked, err := confirm.WaitContext(ctx); err != nil || !acked {
			return errors.Join(err, errors.New("not confirmed"))
		}
	}
	if len(r.returns) > 0 {
		return errors.New("returned")
	}
	return d.Ack(false)
}
