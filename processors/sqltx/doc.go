// Package sqltx runs the inner layers in a transaction of a SQL database. It commits when
// they succeed and rolls back when they fail, panic or call runtime.Goexit. Swarrot has
// nothing like it.
//
//	stack.New(
//		ack.New(),
//		retry.New(...),
//		sqltx.New(db, sqltx.Inbox(sqltx.PostgresInbox)),
//		recovery.New(),
//	).Then(handler)
//
// The handler takes the transaction from its context, with [From]. Put the layer inside
// ack, retry, catch, instantretry and everything that waits, and have one of them in a
// stack. The message is then acked after the commit, and retried after the rollback; a
// stack refuses most other orders. A layer that limits the time may be on either side;
// outside it bounds the statements and the commit as well.
//
// # What is kept
//
//	nil, ErrStop           commit
//	Drop                   rollback: the message is done with, but it has failed
//	any other error        rollback
//	panic, Goexit          rollback, then it goes on its way
//	the context has ended  rollback and an error, also if the handler returned nil
//
// A commit that fails is an error like the handler's: the message is retried. What the
// handler has written may be there all the same, if only the answer was lost; the inbox
// then makes the retry do nothing.
//
// A transaction that cannot be begun is [processor.Release]: nothing has been done, so the
// message goes back to its queue untouched. The layer also pauses the run until the
// database can be used again, which it tries at intervals that grow from 100 ms to 30 s.
// While the database is down messages wait in their queue, and none uses up its attempts or
// is parked. Where the run cannot be paused ([stack.RunFrom]), each message is given
// back again and again, which before RabbitMQ 4.3 counts toward the delivery limit of a
// quorum queue: give that a dead-letter exchange.
//
// Only what the handler does through the transaction is undone. A message that it
// publishes is out before the commit.
//
// # The inbox
//
// A message whose commit went through and whose ack did not is delivered again. The handler
// does its work twice, unless it can tell. [Inbox] can: it is a statement that writes the
// message's queue and id into a table, in the same transaction as the handler's work and
// before it. A second delivery finds the row, skips the inner layers and succeeds. If the
// message fails the row goes with all the rest, so a retry of it, which keeps the id, is
// processed.
//
// [PostgresInbox], [MySQLInbox] and [SQLiteInbox] are such statements, and
// [PostgresInboxTable] and the others the tables that they write to. Start tries the
// statement in transactions that it rolls back, and fails if the table confuses ids that
// differ: a message that is skipped by mistake is lost.
//
// A message without an id, or from a source that does not name its queue, is processed
// without a mark: better twice than never. The first one is logged, as a warning. An id
// that is over 255 bytes, or is not text, stands in the table as its SHA-256.
//
// An id is its sender's claim. One that sends two messages with one id has the second
// skipped, so take ids from senders that make one up for each message; Warren's publishers
// set none. A message that is to be processed once more, because somebody publishes it again
// by hand, needs a new id, or its row deleted.
//
// The table grows by a row for each message. Delete the old ones now and then, from a cron
// job or the like, keeping all for longer than a message can wait in queues and retries:
//
//	DELETE FROM warren_inbox WHERE processed_at < now() - interval '30 days'   -- PostgreSQL
//	DELETE FROM warren_inbox WHERE processed_at < now() - interval 30 day      -- MySQL
//	DELETE FROM warren_inbox WHERE processed_at < datetime('now', '-30 days') -- SQLite
//
// # Performance
//
// The price of a message is that of the transaction, begin and commit, one statement more
// with an inbox, and a few hundred bytes for the transaction and the context that carries
// it. database/sql starts a goroutine for each transaction, to end it with its context.
// Each worker uses a connection for as long as it works on a message: SetMaxOpenConns
// should not be below the consumer's workers, or some wait for others.
package sqltx
