// Outbox is a shop that writes an order and the message about it in one transaction, and a worker that bills
// each order once, in one transaction with its own message:
//
//	cd examples/outbox && go run .
//	DATABASE_URL=postgres://user@localhost/shop go run .
//
// Its database is a SQLite file in a temporary directory, or PostgreSQL if DATABASE_URL is set. It runs on the embedded
// broker, or on RabbitMQ if AMQP_URL is set.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/examples/internal/program"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/publisher/outbox"
)

func main() { example.Main() }

var example = program.Program{Name: "outbox", Run: run}

// The queues.
const (
	orders = "shop_orders"
	mails  = "shop_mails"
)

type order struct {
	Item string `json:"item"`
}

func run(ctx context.Context, b broker.Broker, w io.Writer, opts []service.Option) (err error) {
	db, err := open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	s := &shop{db: db, out: w, done: make(chan struct{})}
	if err := s.sell(ctx); err != nil {
		return err
	}
	relay, err := outbox.NewRelay(db.DB, db.dialect, b.Publisher(), db.listen...)
	if err != nil {
		return err
	}
	waiting, err := relay.Stats(ctx)
	if err != nil {
		return err
	}
	s.printf("outbox: %d messages wait for the relay", waiting.Depth)

	box, err := outbox.New(db.dialect, append(db.notify, outbox.Wakes(relay))...)
	if err != nil {
		return err
	}
	all, err := service.New(b, append(opts, s.billing(box), s.mailing(), service.Beside("relay", relay.Run))...)
	if err != nil {
		return err
	}
	return program.Serve(ctx, all, func(ctx context.Context, _ *service.Service) error {
		program.Await(ctx, s.done)
		return nil
	})
}

// keeps is a queue that drops nothing.
func keeps(name string) broker.Queue {
	return broker.Queue{Name: name, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}
}

// shop has the parts of the example.
type shop struct {
	db   *database
	out  io.Writer
	done chan struct{} // closed when all mails have been sent

	mu     sync.Mutex
	failed bool
	mailed int
}

// sell writes orders. The second is rolled back.
func (s *shop) sell(ctx context.Context) error {
	box, err := outbox.New(s.db.dialect)
	if err != nil {
		return err
	}
	for _, o := range []order{{"tea"}, {"a castle"}, {"a lamp"}} {
		if err := s.place(ctx, box, o); err != nil {
			return err
		}
	}
	return nil
}

// place writes an order and its message in one transaction.
func (s *shop) place(ctx context.Context, box processor.Publisher, o order) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, s.db.query("INSERT INTO shop_orders (item) VALUES (?)"), o.Item); err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := box.Publish(outbox.In(ctx, tx), processor.Destination{RoutingKey: orders}, processor.Envelope{Body: body}); err != nil {
		return err
	}
	if o.Item == "a castle" {
		s.printf("order of %s: rolled back, and its message with it", o.Item)
		return nil
	}
	s.printf("order of %s: committed, and its message with it", o.Item)
	return tx.Commit()
}

// billing is a worker whose bills, messages and marks of processed orders commit as one.
func (s *shop) billing(box processor.Publisher) service.Handler {
	return service.Handler{
		Queue: keeps(orders),
		Stack: stack.New(
			ack.New(ack.RequeueOnError()),
			sqltx.New(s.db.DB, sqltx.Inbox(s.db.inbox)),
			respond.New(box),
		),
		Handle: respond.Typed(json.Unmarshal, s.bill),
	}
}

var errPrinter = errors.New("the printer is out of paper")

// bill writes a bill, and returns a mail. The first time it fails after it has written.
func (s *shop) bill(ctx context.Context, o order, _ processor.Message) ([]respond.Result, error) {
	tx, err := sqltx.From(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, s.db.query("INSERT INTO shop_bills (item) VALUES (?)"), o.Item); err != nil {
		return nil, err
	}
	s.mu.Lock()
	first := !s.failed
	s.failed = true
	s.mu.Unlock()
	if first {
		s.printf("bill: %v; it is rolled back, and the order comes again", errPrinter)
		return nil, errPrinter
	}
	return []respond.Result{{
		To:       processor.Destination{RoutingKey: mails},
		Envelope: processor.Envelope{Body: []byte("we bill you for " + o.Item)},
	}}, nil
}

// mailing prints the mails.
func (s *shop) mailing() service.Handler {
	return service.Handler{Queue: keeps(mails), Stack: stack.New(ack.New()), Handle: processor.ProcessorFunc(s.mail)}
}

func (s *shop) mail(ctx context.Context, msg processor.Message) error {
	s.printf("mail: %s", msg.Body())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mailed++; s.mailed < 2 {
		return nil
	}
	defer close(s.done)
	return s.sum(ctx)
}

// sum prints what there is in the end.
func (s *shop) sum(ctx context.Context) error {
	var placed, bills int
	err := s.db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM shop_orders), (SELECT count(*) FROM shop_bills)").Scan(&placed, &bills)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "database: %d orders, %d bills\n", placed, bills)
	return err
}

func (s *shop) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}
