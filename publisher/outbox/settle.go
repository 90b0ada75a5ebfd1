package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/gowarren/warren/internal/pacing"
)

// settle writes down what the ledger has, and gives the slots of the claim back if it is over. It tries
// until the lease is over, or for 2 seconds when the relay ends: what is not deleted is published again.
func (r *Relay) settle(ctx context.Context, c *claim, l *ledger, over bool) error {
	if !over && l.isEmpty() {
		return nil
	}
	ctx, done := outlive(ctx, drain)
	defer done()
	ctx, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	for try := 1; ; try++ {
		err := r.transact(ctx, func(tx *sql.Tx) error { return r.write(ctx, tx, c, l, over) })
		if err == nil {
			l.clear()
			return nil
		}
		if !pacing.Sleep(ctx, pacing.Jitter(pacing.Doubling(10*time.Millisecond, time.Second, try))) {
			return fmt.Errorf("outbox: settle: %w", err)
		}
	}
}

// maxList is the most numbers in one statement.
const maxList = 500

func (r *Relay) write(ctx context.Context, tx *sql.Tx, c *claim, l *ledger, over bool) error {
	// First the slots: SQLite may refuse a write after a read, and others find the slots locked and skip them.
	if over {
		if _, err := tx.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+"_slots SET owner = '', until = 0 WHERE owner = ?"), c.owner); err != nil {
			return err
		}
	}
	if err := r.each(ctx, tx, "DELETE FROM "+r.table+" WHERE", nil, l.confirmed); err != nil {
		return err
	}
	for _, p := range l.postponed {
		if err := r.each(ctx, tx, "UPDATE "+r.table+" SET state = ?, due_at = ?, error = ? WHERE", []any{waiting, p.dueAt, p.text}, p.seqs); err != nil {
			return err
		}
	}
	for _, f := range l.failed {
		if _, err := tx.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+" SET state = ?, due_at = ?, failed_at = ?, error = ? WHERE seq = ?"),
			f.state, f.dueAt, f.failedAt, f.text, f.seq); err != nil {
			return err
		}
	}
	return nil
}

// each has a statement do something to rows, as many at a time as it takes.
func (r *Relay) each(ctx context.Context, tx *sql.Tx, statement string, args, seqs []any) error {
	for len(seqs) > 0 {
		n := min(len(seqs), maxList)
		if _, err := tx.ExecContext(ctx, r.dialect.query(statement+" seq IN ("+list(n)+")"), slices.Concat(args, seqs[:n])...); err != nil {
			return err
		}
		seqs = seqs[n:]
	}
	return nil
}
