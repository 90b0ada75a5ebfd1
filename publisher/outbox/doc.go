// Package outbox publishes messages that belong to a SQL transaction: each is sent after the commit, and none if the transaction is rolled
// back. A publisher writes them into a table, in the transaction of its context, and a relay publishes what is committed and deletes it when the
// broker has confirmed it.
//
//	statements, err := outbox.Schema(outbox.Postgres, "")          // run them when you migrate
//	...
//	relay, err := outbox.NewRelay(db, outbox.Postgres, b.Publisher())
//	...
//	go relay.Run(ctx)
//
//	box, err := outbox.New(outbox.Postgres, outbox.Wakes(relay))
//	...
//	tx, err := db.BeginTx(ctx, nil)
//	...                                                             // write an order
//	err = box.Publish(outbox.In(ctx, tx), to, envelope)
//	...
//	err = tx.Commit()
//	relay.Wake()
//
// Inside processors/sqltx the context has the transaction already, and the relay wakes by itself. With processors/respond a worker's results, its
// rows and its mark in the inbox commit as one:
//
//	stack.New(ack.New(), retry.New(...), sqltx.New(db, sqltx.Inbox(sqltx.PostgresInbox)), respond.New(box))
//
// It works with any driver of database/sql. SQLite needs a busy_timeout, since it has one writer at a time.
//
// # What is promised
//
// A committed message is published at least once, whatever dies and whenever:
//
//	the process dies ...                   the message
//	before the commit                      is not sent
//	between commit and relay               is sent by the next relay, or another
//	while it is published                  is sent again when the lease of the relay is over (15 s), with the same id
//	between confirm and delete             the same
//
// The id is made when the message is written, unless it has one. So a consumer with the inbox of sqltx, or processors/dedup, sees that the second is the
// first again.
//
// # Many relays
//
// Any number of relays may run, in any number of processes. Each row is in one of 64 slots, by its order key or at random. A worker of a relay claims up to
// 16 slots that have messages, by a short transaction (with SKIP LOCKED, but on SQLite), publishes their messages while no transaction is open, and then deletes them
// and frees the slots in another. Without a transaction nothing holds up the database for as long as the broker takes, and a machine that
// dies holds no locks. The claim is a lease in time, so the clocks of the relays' machines must agree ([Lease]).
//
// # Order
//
// With [OrderBy], messages of one key are published one after the other, each when the one before it is confirmed. If one comes twice, later ones
// may too, but the first time that each comes is in order. Without, a worker has up to [Batch] messages in flight, and more while a destination is late,
// and promises no order.
//
// # Messages that cannot be sent
//
// A message that the broker refuses, or that no queue takes, is tried again after 1 s, and then after as long as it has been failing, at most a
// minute. It holds up no other, but those of its order key. The messages to a destination that does not answer
// while others do, such as a queue that hangs, stay as they are: it gets one at a time, after a minute at most, and the relay leaves the others out
// until there is an answer. Of an exchange with four keys that are late nothing is published until it is known which of them are silent, since all its
// keys may lead to one queue; with more than 100 silent queues at a time others may wait. While the broker takes nothing at all no message
// has failed, and all go on when it does. One that can never be sent ([processor.ErrTooLarge], [processor.ErrHeaderType]), and one that no queue takes
// or that may not be published for an hour ([SetAsideAfter]), is set aside: its row stays, with state 2 and the error, and is counted in [Stats]. Later
// messages of its order key wait, unless [PassSetAside]. Decide about it by hand:
//
//	UPDATE warren_outbox SET state = 0, due_at = 0, failed_at = 0 WHERE seq = ...   -- try it again
//	DELETE FROM warren_outbox WHERE seq = ...                                       -- give it up
//
// The column message is JSON with the destination, properties and headers. The columns exchange and routing_key are the destination again, for
// the relay to leave out; a name that is no text is a hash there.
package outbox
