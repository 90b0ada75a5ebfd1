package sqltx_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/sqltx"
)

// The second delivery of a message does nothing. The database is a fake; with PostgreSQL
// it would be sql.Open's.
func ExampleNew() {
	db := sql.OpenDB(&fakeDB{})
	defer func() { _ = db.Close() }()

	handler := func(ctx context.Context, msg processor.Message) error {
		tx, err := sqltx.From(ctx)
		if err != nil {
			return err
		}
		fmt.Println("writing", msg.Properties().ID)
		_, err = tx.ExecContext(ctx, "INSERT INTO letters (id) VALUES ($1)", msg.Properties().ID)
		return err
	}
	pipeline, err := stack.New(ack.New(), sqltx.New(db, sqltx.Inbox(sqltx.PostgresInbox))).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	for range 2 {
		msg := processortest.NewMessage() // its id is test-message
		fmt.Println(pipeline.Process(context.Background(), msg), msg.Settlements())
	}
	// Output:
	// writing test-message
	// <nil> [ack]
	// <nil> [ack]
}
