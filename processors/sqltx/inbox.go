package sqltx

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Statements that mark a message in the tables below, for [Inbox].
const (
	// PostgresInbox needs PostgreSQL 9.5 or newer.
	PostgresInbox = `INSERT INTO warren_inbox (queue, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	// MySQLInbox also works on MariaDB. Unlike INSERT IGNORE it ignores no other errors. It does
	// not work with clientFoundRows in the driver's settings; INSERT IGNORE does.
	MySQLInbox = `INSERT INTO warren_inbox (queue, id) VALUES (?, ?) ON DUPLICATE KEY UPDATE id = id`
	// SQLiteInbox needs SQLite 3.24 or newer.
	SQLiteInbox = `INSERT INTO warren_inbox (queue, id) VALUES (?, ?) ON CONFLICT DO NOTHING`
)

// Tables for the statements above; run one when you migrate. Only queue and id are needed. The time
// is for deleting old rows; see the package documentation.
const (
	// PostgresInboxTable creates the table in the first schema of the search path.
	PostgresInboxTable = `CREATE TABLE IF NOT EXISTS warren_inbox (
	queue        text        NOT NULL,
	id           text        NOT NULL,
	processed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (queue, id)
)`
	// MySQLInboxTable has binary columns: others treat "a" and "A", or "a" and "a ", as equal.
	MySQLInboxTable = `CREATE TABLE IF NOT EXISTS warren_inbox (
	queue        varbinary(255) NOT NULL,
	id           varbinary(255) NOT NULL,
	processed_at timestamp      NOT NULL DEFAULT CURRENT_TIMESTAMP,
	PRIMARY KEY (queue, id)
) ENGINE = InnoDB`
	// SQLiteInboxTable has times in UTC, as text.
	SQLiteInboxTable = `CREATE TABLE IF NOT EXISTS warren_inbox (
	queue        text NOT NULL,
	id           text NOT NULL,
	processed_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
	PRIMARY KEY (queue, id)
) WITHOUT ROWID`
)

// maxKey is AMQP's limit for an id and for the name of a queue, in bytes.
const maxKey = 255

// Inbox skips messages that were processed before: each is marked, in its own transaction, by a
// statement with two parameters, the queue and the message's id, such as [PostgresInbox]. It must
// affect a row if there is none for the two, and otherwise nothing, without an error. The two must
// be the primary key, or unique, and hold 255 bytes each. Texts that differ in anything, such as
// case, must be different keys; Start checks that. Default: no inbox.
//
// A second delivery waits while the first is in flight, because the database makes it wait for the
// row. A message that is skipped costs a second statement, with another id; see the package documentation. If
// the statement fails, such as by a deadlock or a conflict under a strict isolation level,
// nothing has begun and the message is requeued.
func Inbox(insert string) Option {
	return func(c *config) { c.marks, c.insert = true, insert }
}

// mark reports whether the message was marked before, and marks it if not.
func (t *layer) mark(ctx context.Context, tx *sql.Tx, msg processor.Message) (seen bool, err error) {
	if !t.marks {
		return false, nil
	}
	if !markable(msg) {
		t.warn(ctx, msg)
		return false, nil
	}
	queue, id := key(msg.Origin().Queue), msg.Properties().ID
	fresh, err := t.put(ctx, tx, queue, key(id))
	if err != nil || fresh {
		return false, err
	}
	// The row that this adds is rolled back.
	counts, err := t.put(ctx, tx, queue, unmarked(id))
	if err != nil || !counts {
		return false, err
	}
	stack.Skipped(ctx)
	t.report(ctx, msg)
	return true, nil
}

// markable reports whether msg has what a mark consists of.
func markable(msg processor.Message) bool {
	return msg.Origin().Queue != "" && msg.Properties().ID != ""
}

// put runs the statement and reports whether there was no such row.
func (t *layer) put(ctx context.Context, tx *sql.Tx, queue, id string) (fresh bool, err error) {
	result, err := tx.ExecContext(ctx, t.insert, queue, id)
	if err != nil {
		return false, fmt.Errorf("sqltx: inbox: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("sqltx: inbox: rows affected: %w", err)
	}
	return n > 0, nil
}

// key stands for s in the table. No sender can make the statement fail with it, which would
// redeliver the message without end.
func key(s string) string {
	if len(s) <= maxKey && utf8.ValidString(s) && !strings.ContainsRune(s, 0) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// report logs a skipped message. The layer makes it a success, so the outer layers cannot log it.
func (t *layer) report(ctx context.Context, msg processor.Message) {
	if log := logattr.Or(t.log); log.Enabled(ctx, slog.LevelInfo) {
		log.LogAttrs(ctx, slog.LevelInfo, "message skipped, it was processed before", logattr.Of(msg, nil)...)
	}
}

// warn logs the first message that cannot be marked.
func (t *layer) warn(ctx context.Context, msg processor.Message) {
	if t.warned.CompareAndSwap(false, true) {
		logattr.Or(t.log).LogAttrs(ctx, slog.LevelWarn,
			"messages without an id or a queue cannot be marked, and are processed each time they are delivered",
			logattr.Of(msg, nil)...)
	}
}
