package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gowarren/warren/internal/record"
	"github.com/gowarren/warren/processor"
)

// maxRead is how many bytes of bodies a worker reads at a time.
const maxRead = 8 << 20

// stored is a message of the table.
type stored struct {
	seq      int64
	slot     int64
	orderKey string
	failedAt int64 // when it failed first, in milliseconds since 1970; 0 if it has not failed
	to       processor.Destination
	envelope processor.Envelope
	problem  error // why it cannot be read
}

// read returns the oldest messages of the claim that are due and can be published now. One whose key has an earlier message that
// waits, is set aside, or is left out, is not read. It is one statement, and so sees the table at one time: if it were several, a
// message could be read whose earlier one had been out of sight.
func (r *Relay) read(ctx context.Context, c *claim, left leftOut) (all []stored, err error) {
	statement, args := r.readable(c, left)
	rows, err := r.db.QueryContext(ctx, r.dialect.query(statement), args...)
	if err != nil {
		return nil, fmt.Errorf("outbox: read: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for size := 0; size < maxRead && rows.Next(); {
		var s stored
		var message string
		var body []byte
		if err := rows.Scan(&s.seq, &s.slot, &s.orderKey, &s.failedAt, &message, &body); err != nil {
			return nil, fmt.Errorf("outbox: read: %w", err)
		}
		s.to, s.envelope, s.problem = record.Read(message)
		s.envelope.Body = body
		size += len(body)
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("outbox: read: %w", err)
	}
	return all, nil
}

// readable is the statement of read.
func (r *Relay) readable(c *claim, left leftOut) (statement string, args []any) {
	now := time.Now().UnixMilli()
	blocking := "(w.state = 1 AND w.due_at > ? OR w.state = 2)"
	if r.pass {
		blocking = "w.state = 1 AND w.due_at > ?"
	}
	ours := "slot IN (" + list(len(c.slots)) + ")"
	statement = "SELECT o.seq, o.slot, o.order_key, o.failed_at, o.message, o.body FROM " + r.table + " o"
	condition := " WHERE o." + ours + " AND o.state < 2 AND o.due_at <= ?" +
		" AND (o.order_key = '' OR NOT EXISTS (SELECT 1 FROM " + r.table + " w" +
		" WHERE w.slot = o.slot AND w.order_key = o.order_key AND w.state > 0 AND w.seq < o.seq AND " + blocking + "))"
	args = append(slices.Clone(c.slots), now, now)
	if !left.isEmpty() {
		// The first of each key that is left out, in one pass: there is no index to look for it by key.
		out, names := left.condition("x")
		statement += " LEFT JOIN (SELECT x.slot, x.order_key, MIN(x.seq) AS earliest FROM " + r.table + " x WHERE x." + ours +
			" AND x.state < 2 AND x.order_key <> '' AND " + out + " GROUP BY x.slot, x.order_key) b ON b.slot = o.slot AND b.order_key = o.order_key"
		args = slices.Concat(c.slots, names, args)
		out, names = left.condition("o")
		condition += " AND (b.earliest IS NULL OR b.earliest > o.seq) AND NOT " + out
		args = append(args, names...)
	}
	return statement + condition + fmt.Sprintf(" ORDER BY o.seq LIMIT %d", r.batch), args
}
