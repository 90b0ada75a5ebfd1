package outbox_test

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/outbox"
)

// An order and the message about it commit as one.
func Example() { //nolint:testableexamples // it needs a database and a broker
	var (
		ctx = context.Background()
		db  *sql.DB             // sql.Open's
		pub processor.Publisher // the broker's
	)
	relay, err := outbox.NewRelay(db, outbox.Postgres, pub)
	if err != nil {
		return
	}
	go func() {
		if err := relay.Run(ctx); err != nil {
			slog.Error("the relay has ended", "error", err)
		}
	}()
	box, err := outbox.New(outbox.Postgres)
	if err != nil {
		return
	}
	place := func(ctx context.Context, item string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders (item) VALUES ($1)", item); err != nil {
			return err
		}
		to := processor.Destination{Exchange: "shop", RoutingKey: "order.placed"}
		if err := box.Publish(outbox.In(ctx, tx), to, processor.Envelope{Body: []byte(item)}); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		relay.Wake()
		return nil
	}
	_ = place
}
