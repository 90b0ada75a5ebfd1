package sqltx

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// unmarkLimit bounds the transaction that unmarks a message. The message's own context may have ended.
const unmarkLimit = 5 * time.Second

// How long a message waits to be unmarked again while the database does not answer. It cannot be retried before, since it
// might be skipped, and must not be given up, since it may have no place to go.
const (
	firstUnmark = 100 * time.Millisecond
	lastUnmark  = 5 * time.Second
)

// fail ends the transaction of a message that failed with err, and returns err with what went wrong meanwhile.
// That the transaction has ended already is no error: the context has ended, or the handler has rolled back. But
// the handler may also have committed, and with its own writes the mark. The retry would be skipped then, and the
// message lost.
func (t *layer) fail(ctx context.Context, tx *sql.Tx, msg processor.Message, err error) error {
	failure := tx.Rollback()
	switch {
	case failure == nil:
		return err
	case !errors.Is(failure, sql.ErrTxDone):
		return errors.Join(err, fmt.Errorf("sqltx: roll back: %w", failure))
	}
	for n := 1; ; n++ {
		if failure = t.unmark(ctx, msg); failure == nil {
			return err
		}
		logattr.Or(t.log).LogAttrs(ctx, slog.LevelWarn, "sqltx: a failed message waits until the inbox says whether it is marked", logattr.Of(msg, failure)...)
		if !pacing.Sleep(ctx, pacing.Doubling(firstUnmark, lastUnmark, n)) {
			return errors.Join(err, fmt.Errorf("sqltx: the transaction had ended before the message failed, and the inbox cannot be asked whether the message is marked: %w", failure))
		}
	}
}

// unmark has the message processed at its next delivery, if it is marked. The only statement that it needs is
// the inbox's: a second row says that the first does not count.
func (t *layer) unmark(ctx context.Context, msg processor.Message) error {
	if !t.marks || !markable(msg) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unmarkLimit)
	defer cancel()
	tx, err := t.db.BeginTx(ctx, &t.tx)
	if err != nil {
		return fmt.Errorf("sqltx: begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	queue, id := msg.Origin().Queue, msg.Properties().ID
	if fresh, err := t.put(ctx, tx, key(queue), key(id)); err != nil || fresh {
		return err // fresh: it was rolled back, and so will this one be
	}
	if _, err := t.put(ctx, tx, key(queue), unmarked(id)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqltx: commit: %w", err)
	}
	logattr.Or(t.log).LogAttrs(ctx, slog.LevelError,
		"the handler has committed its transaction itself and then failed: the inbox skips the message no more; leave Commit to sqltx",
		logattr.Of(msg, nil)...)
	return nil
}

// unmarked stands in the table for an id whose mark does not count.
func unmarked(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "unmarked:" + hex.EncodeToString(sum[:])
}
