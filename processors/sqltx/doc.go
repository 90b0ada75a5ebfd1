// Package sqltx runs the inner layers in a transaction of a SQL database. It commits when they
// succeed and rolls back when they fail, panic or call runtime.Goexit.
//
//	stack.New(
//		ack.New(),
//		retry.New(...),
//		sqltx.New(db, sqltx.Inbox(sqltx.PostgresInbox)),
//		recovery.New(),
//	).Then(handler)
//
// The handler takes the transaction from its context, with [From]. Put one such layer in a stack,
// inside ack, retry, catch, instantretry and every layer that waits. The message is then acked
// after the commit, and retried after the rollback; a stack refuses most other orders. A layer that
// limits the time may be on either side; outside it bounds the statements and the commit as well.
//
// # Commit and rollback
//
//	nil, ErrStop           commit
//	Drop                   rollback: the message is dealt with, but it has failed
//	any other error        rollback
//	panic, Goexit          rollback, then it continues
//	the context has ended  rollback and an error, also if the handler returned nil
//
// A commit that fails is an error like the handler's: the message is retried. If only the answer
// was lost, what the handler has written may be committed; the inbox then makes the retry do
// nothing.
//
// A transaction that cannot begin is [processor.Release]: nothing has been done, so the message is
// requeued untouched. (One whose own deadline has passed by then has failed.) The layer also pauses the run until the database can be used again, which it
// tries at intervals that grow from 100 ms to 30 s. While the database is down messages wait in
// their queue, and none uses up its attempts or is parked. If the run cannot be paused
// ([stack.RunFrom]), each message is requeued again and again, which before RabbitMQ 4.3 counts
// toward the delivery limit of a quorum queue: give that a dead-letter exchange.
//
// Only what the handler does through the transaction is undone. A message that it publishes is sent
// before the commit; with publisher/outbox it is sent after it.
//
// # The inbox
//
// A message that was committed but whose ack was lost is redelivered, and the handler would do its
// work twice. [Inbox] prevents that: it is a statement that writes the message's queue and id into
// a table, in the same transaction as the handler's work and before it. A second delivery finds the
// row, skips the inner layers and succeeds. If the message fails, the row is rolled back too, so a
// retry, which keeps the id, is processed.
//
// [PostgresInbox], [MySQLInbox] and [SQLiteInbox] are such statements, and [PostgresInboxTable] and
// the others their tables. Start tries the statement in transactions that it rolls back, and fails
// if the table confuses different ids: a message that is skipped by mistake is lost.
//
// A message without an id, or from a source that does not name its queue, is processed without a
// mark: better twice than never. The first one is logged, as a warning. An id that is over 255
// bytes, or is not text, is stored as its SHA-256.
//
// The sender chooses the id. If it sends two messages with one id, the second is skipped, so take
// ids from senders that make a new one for each message, as publisher/identity, publisher/retrying and the
// service do; the broker's own publisher sets none. To process a
// message once more, such as one published again by hand, give it a new id or delete its row.
//
// The table grows by a row for each message. Delete old rows now and then, with a cron job or the
// like, but keep them for longer than a message can wait in queues and retries:
//
//	DELETE FROM warren_inbox WHERE processed_at < now() - interval '30 days'   -- PostgreSQL
//	DELETE FROM warren_inbox WHERE processed_at < now() - interval 30 day      -- MySQL
//	DELETE FROM warren_inbox WHERE processed_at < datetime('now', '-30 days') -- SQLite
//
// # A handler that commits
//
// A handler must leave Commit and Rollback to this layer. If it has ended the transaction and returns nil, that is an
// error. If it has committed and then fails or panics, its writes stay, and so does the mark, which would make the
// inbox skip the retry. The layer therefore adds a row which says that the mark does not count, with an id that
// begins with "unmarked:", and logs an error. Such a message is processed at each delivery from then on: better
// twice than never. While the row cannot be written, the message waits, unacked, for as long as its context lasts. A statement that commits unseen, such as CREATE TABLE in MySQL, is not noticed,
// and if the process dies between the handler's commit and that row, the message is skipped and lost.
//
// # Performance
//
// Each message costs a transaction, begin and commit, one more statement with an inbox, and a few
// hundred bytes for the transaction and the context that carries it. database/sql starts a
// goroutine for each transaction, to end it with its context. Each worker uses a connection while
// it works on a message: SetMaxOpenConns should not be below the consumer's workers, or some wait
// for others.
package sqltx
