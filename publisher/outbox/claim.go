package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/gowarren/warren/internal/patience"
)

// Limits of a claim.
const (
	maxSlots   = 16
	maxLease   = time.Hour
	statements = 10 * time.Second // for the database to answer
)

// claim is a number of slots whose messages one worker publishes, and no other. It needs no
// open transaction: one would hold the database up for as long as the broker takes, and if its machine dies the
// database may not notice for hours.
type claim struct {
	owner string
	slots []any
	until time.Time // when others may take the slots
}

// claim takes slots with messages that are due. It returns nil if there are none, or others have them.
func (r *Relay) claim(ctx context.Context) (*claim, error) {
	now := time.Now().Round(0) // of the clock on the wall: the other one stands still while a machine is suspended
	c := &claim{owner: rand.Text(), until: now.Add(r.lease)}
	left, _ := leaveOut(nil, r.silent.now(&r.silences))
	if err := r.extend(ctx, c, now.Add(statements), left); err != nil {
		return nil, err
	}
	if len(c.slots) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to do
	}
	return c, nil
}

// extend takes more slots with messages that can be published now, with the end of the lease that the others have.
func (r *Relay) extend(ctx context.Context, c *claim, limit time.Time, left leftOut) error {
	// Not cut off with ctx: the claim could be committed and nobody know.
	ctx, done := patience.Outlive(ctx, drain)
	defer done()
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	take := r.claimInOneStep
	if r.dialect.skipsLocked() {
		take = r.claimUnlocked
	}
	// It begins at a random slot, so that relays do not all want the same, and goes on in the order of the
	// primary key, so that MySQL locks no more than it returns.
	first := mathrand.IntN(slots) //nolint:gosec // no secret
	before := len(c.slots)
	for _, part := range []string{fmt.Sprintf("s.slot >= %d", first), fmt.Sprintf("s.slot < %d", first)} {
		if len(c.slots) > before {
			break
		}
		if err := take(ctx, c, part, left); err != nil {
			return fmt.Errorf("outbox: claim: %w", err)
		}
	}
	return nil
}

// free is the condition for slots that have messages and belong to nobody. Of a lease that ends in more than the longest
// lease the clock was wrong.
func (r *Relay) free(left leftOut) (condition string, args []any) {
	now := time.Now().Round(0)
	condition = "(s.until <= ? OR s.until > ?) AND EXISTS (SELECT 1 FROM " + r.table + " o WHERE o.slot = s.slot AND o.state < 2 AND o.due_at <= ?"
	args = []any{now.UnixMilli(), now.Add(maxLease + time.Minute).UnixMilli(), now.UnixMilli()}
	if !left.isEmpty() {
		out, names := left.condition("o")
		condition, args = condition+" AND NOT "+out, append(args, names...)
	}
	return condition + ")", args
}

// candidates selects free slots of a part.
func (r *Relay) candidates(part string, left leftOut) (statement string, args []any) {
	condition, args := r.free(left)
	return fmt.Sprintf("SELECT s.slot FROM %s_slots s WHERE %s AND %s ORDER BY s.slot LIMIT %d", r.table, part, condition, maxSlots), args
}

// claimUnlocked locks slots that no other claim has locked, and writes down whose they are.
func (r *Relay) claimUnlocked(ctx context.Context, c *claim, part string, left leftOut) error {
	var more []any
	err := r.transact(ctx, func(tx *sql.Tx) error {
		statement, args := r.candidates(part, left)
		var err error
		if more, err = r.numbers(ctx, tx, statement+" FOR UPDATE SKIP LOCKED", args); err != nil || len(more) == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+"_slots SET owner = ?, until = ? WHERE slot IN ("+list(len(more))+")"),
			append([]any{c.owner, c.until.UnixMilli()}, more...)...)
		return err
	})
	if err == nil {
		c.slots = append(c.slots, more...)
	}
	return err
}

// claimInOneStep is for databases with one writer at a time. It only reads if there is nothing to do, and begins its
// transaction with the write, since SQLite may refuse one after a read.
func (r *Relay) claimInOneStep(ctx context.Context, c *claim, part string, left leftOut) error {
	statement, args := r.candidates(part, left)
	wanted, err := r.numbers(ctx, r.db, statement, args)
	if err != nil || len(wanted) == 0 {
		return err
	}
	condition, args := r.free(left)
	set := append([]any{c.owner, c.until.UnixMilli()}, args...)
	if _, err := r.db.ExecContext(ctx, r.dialect.query("UPDATE "+r.table+"_slots AS s SET owner = ?, until = ? WHERE "+condition+" AND s.slot IN ("+list(len(wanted))+")"),
		append(set, wanted...)...); err != nil {
		return err
	}
	all, err := r.numbers(ctx, r.db, "SELECT slot FROM "+r.table+"_slots WHERE owner = ?", []any{c.owner})
	if err == nil {
		c.slots = all
	}
	return err
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// numbers returns the first column of a query.
func (r *Relay) numbers(ctx context.Context, q querier, statement string, args []any) (all []any, err error) {
	rows, err := q.QueryContext(ctx, r.dialect.query(statement), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// transact runs f in a transaction.
func (r *Relay) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, r.dialect.transaction())
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
