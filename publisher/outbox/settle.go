package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/gowarren/warren/internal/pacing"
)

// settle writes down what the ledger has, and gives back the slots of the claim but for those to keep. It tries until the lease is over, and for 2
// seconds in any case: what is not deleted is published again.
func (r *Relay) settle(ctx context.Context, c *claim, l *ledger, keep []any) error {
	if len(keep) > 0 && len(keep) == len(c.slots) && l.isEmpty() {
		return nil
	}
	until := time.Now().Add(drain)
	if until.Before(c.until) {
		until = c.until
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for try := 1; ; try++ {
		err := r.transact(ctx, func(tx *sql.Tx) error { return r.write(ctx, tx, c, l, keep) })
		if err == nil {
			l.clear()
			c.slots = keep
			return nil
		}
		if !pacing.Sleep(ctx, pacing.Jitter(pacing.Doubling(10*time.Millisecond, time.Second, try))) {
			return fmt.Errorf("outbox: settle: %w", err)
		}
	}
}

// maxList is the most numbers in one statement.
const maxList = 500

func (r *Relay) write(ctx context.Context, tx *sql.Tx, c *claim, l *ledger, keep []any) error {
	// First the slots: SQLite may refuse a write after a read, and others find the slots locked and skip them.
	statement := "UPDATE " + r.table + "_slots SET owner = '', until = 0 WHERE owner = ?"
	if len(keep) > 0 {
		statement += " AND slot NOT IN (" + list(len(keep)) + ")"
	}
	if _, err := tx.ExecContext(ctx, r.dialect.query(statement), append([]any{c.owner}, keep...)...); err != nil {
		return err
	}
	// What was confirmed goes, whoever has the slots by now.
	if err := r.remove(ctx, tx, l.confirmed); err != nil {
		return err
	}
	if !time.Now().Before(c.until) {
		return nil // what has failed others have tried since
	}
	for _, f := range l.failed {
		if _, err := tx.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+" SET state = ?, due_at = ?, failed_at = ?, error = ? WHERE seq = ?"),
			f.state, f.dueAt, f.failedAt, f.text, f.seq); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes rows, as many at a time as a statement takes.
func (r *Relay) remove(ctx context.Context, tx *sql.Tx, seqs []any) error {
	for part := range slices.Chunk(seqs, maxList) {
		if _, err := tx.ExecContext(ctx, r.dialect.query("DELETE FROM "+r.table+" WHERE seq IN ("+list(len(part))+")"), part...); err != nil {
			return err
		}
	}
	return nil
}
