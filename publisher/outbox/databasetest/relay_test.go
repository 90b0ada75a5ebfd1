package databasetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/outbox"
)

// write publishes messages with these texts into the outbox, in a transaction.
func (d *database) write(tb testing.TB, p processor.Publisher, to processor.Destination, texts ...string) {
	tb.Helper()
	d.transact(tb, func(ctx context.Context) {
		var batch []processor.Envelope
		for _, text := range texts {
			batch = append(batch, processor.Envelope{Body: []byte(text)})
		}
		require.Empty(tb, processor.PublishBatch(ctx, p, to, batch))
	})
}

func (d *database) transact(tb testing.TB, f func(ctx context.Context)) {
	tb.Helper()
	tx, err := d.BeginTx(tb.Context(), nil)
	require.NoError(tb, err)
	defer func() { _ = tx.Rollback() }()
	f(outbox.In(tb.Context(), tx))
	require.NoError(tb, tx.Commit())
}

// relay runs a relay until the returned function is called, at the latest at the end of the test.
func (d *database) relay(tb testing.TB, next processor.Publisher, opts ...outbox.RelayOption) (r *outbox.Relay, end func()) {
	tb.Helper()
	r, err := outbox.NewRelay(d.DB, d.dialect, next, opts...)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(end)
	return r, end
}

// sink is a publisher that tells what it gets.
type sink struct {
	processortest.Publisher

	answer func(to processor.Destination, e processor.Envelope) error
	got    chan string
}

func newSink() *sink { return &sink{got: make(chan string, 1000)} }

func (s *sink) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if s.answer != nil {
		if err := s.answer(to, e); err != nil {
			return err
		}
	}
	err := s.Publisher.Publish(ctx, to, e)
	s.got <- string(e.Body)
	return err
}

func (s *sink) next(t *testing.T) string {
	t.Helper()
	select {
	case text := <-s.got:
		return text
	case <-time.After(20 * time.Second):
		require.Fail(t, "nothing came")
		return ""
	}
}

func (s *sink) take(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		all = append(all, s.next(t))
	}
	return all
}

func isEmpty(t *testing.T, r *outbox.Relay) {
	t.Helper()
	require.Eventually(t, func() bool {
		s, err := r.Stats(t.Context())
		require.NoError(t, err)
		return s.Depth == 0
	}, 20*time.Second, 5*time.Millisecond)
}

var errOther = errors.New("something else")

var letters = processor.Destination{Exchange: "post", RoutingKey: "letters"}

func TestWhatIsCommittedIsPublishedAndDeleted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		p := must.Have(outbox.New(d.dialect))
		r, _ := d.relay(t, s)
		e := processor.Envelope{
			Body:    []byte{0, 255, '\\'},
			Headers: processor.Headers{"n": int32(1), "t": time.Unix(1, 0).UTC(), "d": processor.Decimal{Scale: 1, Value: 2}, "x": processor.Headers{"b": []byte("€")}, "€": "😀\x00"},
			Properties: processor.Properties{
				CorrelationID: "c", Priority: 3, Expiration: time.Hour, Timestamp: time.Unix(2, 0).UTC(), ContentType: "text/plain",
			},
		}
		d.transact(t, func(ctx context.Context) { require.NoError(t, p.Publish(ctx, letters, e)) })
		r.Wake()
		s.next(t)
		got := s.Published()[0]
		require.Equal(t, letters, got.To)
		require.NotEmpty(t, got.Envelope.ID)
		got.Envelope.ID = ""
		require.Equal(t, e, got.Envelope)
		isEmpty(t, r)
		require.Zero(t, d.count(t, "warren_outbox"))
	})
}

func TestWhatIsRolledBackIsNotPublished(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		p := must.Have(outbox.New(d.dialect))
		tx, err := d.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, p.Publish(outbox.In(t.Context(), tx), letters, processor.Envelope{}))
		require.NoError(t, tx.Rollback())
		d.write(t, p, letters, "later")
		d.relay(t, s)
		require.Equal(t, "later", s.next(t))
		require.Zero(t, d.count(t, "warren_outbox WHERE state > 0"))
		require.ErrorIs(t, p.Publish(t.Context(), letters, processor.Envelope{}), outbox.ErrNoTransaction)
	})
}

func TestARelayPollsWithoutBeingWoken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		d.relay(t, s, outbox.Poll(20*time.Millisecond))
		p := must.Have(outbox.New(d.dialect))
		for i := range 3 {
			d.write(t, p, letters, fmt.Sprint(i))
			require.Equal(t, fmt.Sprint(i), s.next(t))
		}
	})
}

// byText has the first letter as its key.
func byText(_ processor.Destination, e processor.Envelope) string { return string(e.Body[:1]) }

// The message of a key that could not be sent was overtaken by the next.
func TestAnOrderedKeyWaitsForItsFirstMessageAndNoOtherDoes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		var mu sync.Mutex
		refused := 0
		s.answer = func(_ processor.Destination, e processor.Envelope) error {
			mu.Lock()
			defer mu.Unlock()
			if string(e.Body) == "a1" && refused < 2 {
				refused++
				return processor.ErrRefused
			}
			return nil
		}
		p := must.Have(outbox.New(d.dialect, outbox.OrderBy(byText)))
		d.write(t, p, letters, "a0", "a1", "a2", "b1", "b2")
		d.write(t, p, processor.Destination{RoutingKey: "elsewhere"}, "a3", "b3")
		r, _ := d.relay(t, s, outbox.Poll(50*time.Millisecond))
		got := s.take(t, 7)
		of := func(key byte) []string {
			return slices.DeleteFunc(slices.Clone(got), func(text string) bool { return text[0] != key })
		}
		require.Equal(t, []string{"a0", "a1", "a2", "a3"}, of('a'))
		require.Equal(t, []string{"b1", "b2", "b3"}, of('b'))
		require.Less(t, slices.Index(got, "b3"), slices.Index(got, "a1"), "the other key does not wait")
		isEmpty(t, r)
	})
}

func TestWhatCanNeverBeSentIsSetAside(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		s.answer = func(_ processor.Destination, e processor.Envelope) error {
			switch string(e.Body) {
			case "large":
				return processor.ErrTooLarge
			case "type":
				return processor.ErrHeaderType
			case "unroutable":
				return processor.ErrUnroutable
			}
			return nil
		}
		p := must.Have(outbox.New(d.dialect))
		d.write(t, p, letters, "1", "large", "2", "type", "3", "unroutable", "4")
		r, _ := d.relay(t, s, outbox.Poll(20*time.Millisecond), outbox.SetAsideAfter(0))
		require.ElementsMatch(t, []string{"1", "2", "3", "4"}, s.take(t, 4))
		isEmpty(t, r)
		stats, err := r.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, outbox.Stats{SetAside: 3}, stats)
		require.Equal(t, 3, d.count(t, "warren_outbox WHERE state = 2 AND error <> ''"))
	})
}

func TestAMessageThatIsSetAsideHoldsUpItsKeyUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		s.answer = func(_ processor.Destination, e processor.Envelope) error {
			if string(e.Body) == "a1" {
				return processor.ErrTooLarge
			}
			return nil
		}
		p := must.Have(outbox.New(d.dialect, outbox.OrderBy(byText)))
		d.write(t, p, letters, "a1", "a2", "b1")
		_, end := d.relay(t, s, outbox.Poll(10*time.Millisecond))
		require.Equal(t, "b1", s.next(t))
		d.write(t, p, letters, "a3", "b2")
		require.Equal(t, "b2", s.next(t))
		end()
		require.Equal(t, 3, d.count(t, "warren_outbox"))

		d.relay(t, s, outbox.PassSetAside())
		require.Equal(t, []string{"a2", "a3"}, s.take(t, 2))
	})
}

func TestAMessageThatNoQueueTakesIsSentWhenOneDoes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		var tries sync.Map
		s.answer = func(_ processor.Destination, e processor.Envelope) error {
			if _, again := tries.LoadOrStore(string(e.Body), true); again {
				return nil
			}
			return map[string]error{"unroutable": processor.ErrUnroutable, "forbidden": processor.ErrForbidden, "refused": processor.ErrRefused, "lost": processor.ErrIndeterminate, "other": errOther}[string(e.Body)]
		}
		p := must.Have(outbox.New(d.dialect))
		d.write(t, p, letters, "unroutable", "forbidden", "refused", "lost", "other", "fine")
		r, _ := d.relay(t, s, outbox.Poll(50*time.Millisecond))
		require.Equal(t, "fine", s.next(t))
		require.ElementsMatch(t, []string{"unroutable", "forbidden", "refused", "lost", "other"}, s.take(t, 5))
		isEmpty(t, r)
	})
}

// Claims exclude one another: nothing is published twice while nobody dies.
func TestManyRelaysPublishEachMessageOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		const messages = 1000
		p := must.Have(outbox.New(d.dialect, outbox.OrderBy(byText)))
		var texts []string
		for i := range messages {
			texts = append(texts, fmt.Sprint(i))
		}
		d.write(t, p, letters, texts[:messages/2]...)
		s := newSink()
		for range 4 {
			d.relay(t, s, outbox.Poll(10*time.Millisecond), outbox.Workers(2), outbox.Batch(20))
		}
		d.write(t, p, letters, texts[messages/2:]...)
		require.ElementsMatch(t, texts, s.take(t, messages))
		isEmpty(t, must.Have(outbox.NewRelay(d.DB, d.dialect, s)))
		require.Len(t, s.Published(), messages)
	})
}

// A batch with it failed as a whole, again and again.
func TestAMessageThatTheBrokerClosesItsChannelForHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["sqlite"])
	s := newSink()
	poison := &poisoned{s}
	p := must.Have(outbox.New(d.dialect))
	d.write(t, p, letters, "1", "poison", "2", "3")
	d.relay(t, poison, outbox.Poll(20*time.Millisecond))
	require.ElementsMatch(t, []string{"1", "2", "3"}, s.take(t, 3))
}

// poisoned is a publisher that loses its channel, with all that is in flight, at one message.
type poisoned struct{ *sink }

func (p *poisoned) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	if slices.ContainsFunc(batch, func(e processor.Envelope) bool { return string(e.Body) == "poison" }) {
		return slices.Repeat([]error{processor.ErrIndeterminate}, len(batch))
	}
	for _, e := range batch {
		if err := p.Publish(ctx, to, e); err != nil {
			return []error{err}
		}
	}
	return nil
}

func TestARelayListens(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["postgres"])
	conn := must.Have(pgx.Connect(t.Context(), d.dsn))
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	must.Have(conn.Exec(t.Context(), "LISTEN outbox"))
	s := newSink()
	_, end := d.relay(t, s, outbox.Poll(time.Hour), outbox.Listen(postgresListener{conn}))
	p := must.Have(outbox.New(d.dialect, outbox.Notify("outbox")))
	for i := range 3 {
		d.write(t, p, letters, fmt.Sprint(i))
		require.Equal(t, fmt.Sprint(i), s.next(t))
	}
	end()
}

// postgresListener is what a program with pgx writes.
type postgresListener struct{ *pgx.Conn }

func (l postgresListener) Wait(ctx context.Context) error {
	_, err := l.WaitForNotification(ctx)
	return err
}

// A relay that was stopped for longer than its lease goes on with what another has published by then. It may publish one message more
// of each key, and none ahead of an earlier one.
func TestARelayThatOutlivesItsLeaseKeepsTheOrder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		s := newSink()
		stopped, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		sleeper := processor.PublisherFunc(func(_ context.Context, to processor.Destination, e processor.Envelope) error {
			once.Do(func() {
				close(stopped)
				<-goOn // whatever the context says, as a process that is stopped
			})
			return s.Publish(context.Background(), to, e) //nolint:contextcheck // as above
		})
		p := must.Have(outbox.New(d.dialect, outbox.OrderBy(byText)))
		d.write(t, p, letters, "a1", "a2", "a3")
		_, end := d.relay(t, sleeper, outbox.Lease(5*time.Second), outbox.Workers(1))
		<-stopped
		r, _ := d.relay(t, s, outbox.Lease(5*time.Second), outbox.Poll(50*time.Millisecond))
		require.Equal(t, []string{"a1", "a2", "a3"}, s.take(t, 3))
		isEmpty(t, r)
		close(goOn)
		require.Equal(t, "a1", s.next(t), "it is published again, and nothing after it")
		end()
		require.Len(t, s.Published(), 4)
	})
}

// The database is away when messages were confirmed: they are deleted when it is back, and the relay goes on.
func TestTheRelayGoesOnWhenItsDatabaseIsBack(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["postgres"])
	s := newSink()
	p := must.Have(outbox.New(d.dialect))
	r, _ := d.relay(t, s, outbox.Poll(20*time.Millisecond), outbox.Lease(2*time.Second))
	d.write(t, p, letters, "first")
	require.Equal(t, "first", s.next(t), "it has started")
	for i := range 5 {
		_, err := d.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		require.NoError(t, err)
		text := fmt.Sprint(i)
		require.Eventually(t, func() bool {
			tx, err := d.BeginTx(t.Context(), nil)
			if err != nil {
				return false
			}
			err = p.Publish(outbox.In(t.Context(), tx), letters, processor.Envelope{Body: []byte(text)})
			return errors.Join(err, tx.Commit()) == nil
		}, 10*time.Second, 10*time.Millisecond)
		for s.next(t) != text { //nolint:revive // a message before it may have come twice
		}
	}
	isEmpty(t, r)
}

func TestStatsHasDepthAndAge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		r := must.Have(outbox.NewRelay(d.DB, d.dialect, newSink()))
		stats, err := r.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats)
		d.write(t, must.Have(outbox.New(d.dialect)), letters, "1", "2", "3")
		_, err = d.ExecContext(t.Context(), "UPDATE warren_outbox SET created_at = created_at - 3600000, state = 1 WHERE seq = (SELECT x.seq FROM (SELECT min(seq) AS seq FROM warren_outbox) x)")
		require.NoError(t, err)
		stats, err = r.Stats(t.Context())
		require.NoError(t, err)
		require.InDelta(t, time.Hour, stats.Oldest, float64(time.Minute))
		stats.Oldest = 0
		require.Equal(t, outbox.Stats{Depth: 3, Waiting: 1}, stats)
	})
}

func TestATableThatIsNotAsExpectedIsFoundAtTheStart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		require.NoError(t, outbox.Check(t.Context(), d.DB, d.dialect, ""))
		require.Zero(t, d.count(t, "warren_outbox"))
		require.Error(t, outbox.Check(t.Context(), d.DB, d.dialect, "no_such_table"))
		_, err := d.ExecContext(t.Context(), "DELETE FROM warren_outbox_slots WHERE slot = 63")
		require.NoError(t, err)
		require.Error(t, must.Have(outbox.NewRelay(d.DB, d.dialect, newSink())).Run(t.Context()), "a slot is missing")
		statements, err := outbox.Schema(d.dialect, "")
		require.NoError(t, err)
		for _, s := range statements {
			_, err := d.ExecContext(t.Context(), s)
			require.NoError(t, err, "again")
		}
		require.NoError(t, outbox.Check(t.Context(), d.DB, d.dialect, ""))
	})
}

func TestATableOfMySQLThatKeepsWhatIsRolledBackIsRefused(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["mariadb"])
	_, err := d.ExecContext(t.Context(), "ALTER TABLE warren_outbox ENGINE = MyISAM")
	require.NoError(t, err)
	require.Error(t, outbox.Check(t.Context(), d.DB, d.dialect, ""))
}

func TestAClosedPublisherEndsTheRelay(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["sqlite"])
	s := newSink()
	s.answer = func(processor.Destination, processor.Envelope) error { return processor.ErrClosed }
	d.write(t, must.Have(outbox.New(d.dialect)), letters, "1")
	require.ErrorIs(t, must.Have(outbox.NewRelay(d.DB, d.dialect, s)).Run(t.Context()), processor.ErrClosed)
	require.Equal(t, 1, d.count(t, "warren_outbox WHERE state = 0"))
}
