package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/pacing"
)

// settle deletes what was confirmed, writes down what failed, and gives the slots of the claim back. It tries
// until the lease is over, or for 2 seconds when the relay ends: what is not deleted is published again.
func (r *Relay) settle(ctx context.Context, c *claim, d *delivery) error {
	ctx, done := outlive(ctx, drain)
	defer done()
	ctx, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	for try := 1; ; try++ {
		err := r.transact(ctx, func(tx *sql.Tx) error { return r.write(ctx, tx, c, d) })
		if err == nil {
			return nil
		}
		if !pacing.Sleep(ctx, pacing.Jitter(pacing.Doubling(10*time.Millisecond, time.Second, try))) {
			return fmt.Errorf("outbox: settle: %w", err)
		}
	}
}

// maxList is the most numbers in one statement.
const maxList = 500

func (r *Relay) write(ctx context.Context, tx *sql.Tx, c *claim, d *delivery) error {
	// First the slots: SQLite may refuse a write after a read, and others find the slots locked and skip them.
	if _, err := tx.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+"_slots SET owner = '', until = 0 WHERE owner = ?"), c.owner); err != nil {
		return err
	}
	if d == nil {
		return nil
	}
	for confirmed := d.confirmed; len(confirmed) > 0; {
		n := min(len(confirmed), maxList)
		if _, err := tx.ExecContext(ctx, r.dialect.query("DELETE FROM "+r.table+" WHERE seq IN ("+list(n)+")"), confirmed[:n]...); err != nil {
			return err
		}
		confirmed = confirmed[n:]
	}
	for _, f := range d.failed {
		if _, err := tx.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+" SET state = ?, due_at = ?, failed_at = ?, error = ? WHERE seq = ?"),
			f.state, f.dueAt, f.failedAt, f.text, f.seq); err != nil {
			return err
		}
	}
	return nil
}
