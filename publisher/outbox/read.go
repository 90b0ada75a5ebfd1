package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/record"
	"github.com/gowarren/warren/processor"
)

// maxRead is how many bytes of bodies a worker reads at a time.
const maxRead = 8 << 20

// stored is a message of the table.
type stored struct {
	seq      int64
	orderKey string
	failedAt int64 // when it failed first, in milliseconds since 1970; 0 if it has not failed
	to       processor.Destination
	envelope processor.Envelope
	problem  error // why it cannot be read
}

// read returns the oldest messages of the claim that are due. One whose key has an earlier message that waits, or is set
// aside, is not due.
func (r *Relay) read(ctx context.Context, c *claim) (all []stored, err error) {
	ctx, cancel := context.WithTimeout(ctx, statements)
	defer cancel()
	now := time.Now().UnixMilli()
	blocking := "(w.state = 1 AND w.due_at > ? OR w.state = 2)"
	if r.pass {
		blocking = "w.state = 1 AND w.due_at > ?"
	}
	statement := "SELECT o.seq, o.order_key, o.failed_at, o.message, o.body FROM " + r.table + " o" +
		" WHERE o.slot IN (" + list(len(c.slots)) + ") AND o.state < 2 AND o.due_at <= ?" +
		" AND (o.order_key = '' OR NOT EXISTS (SELECT 1 FROM " + r.table + " w" +
		" WHERE w.slot = o.slot AND w.order_key = o.order_key AND w.state > 0 AND w.seq < o.seq AND " + blocking + "))" +
		fmt.Sprintf(" ORDER BY o.seq LIMIT %d", r.batch)
	args := append(append([]any{}, c.slots...), now, now)
	rows, err := r.db.QueryContext(ctx, r.dialect.query(statement), args...)
	if err != nil {
		return nil, fmt.Errorf("outbox: read: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for size := 0; size < maxRead && rows.Next(); {
		var s stored
		var message string
		var body []byte
		if err := rows.Scan(&s.seq, &s.orderKey, &s.failedAt, &message, &body); err != nil {
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
