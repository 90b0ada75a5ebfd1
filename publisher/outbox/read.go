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
	size     int   // of the body
}

// maxPostponed is about how many messages are postponed at a time.
const maxPostponed = 5000

// read reads the oldest messages of the claim that are due and can be published now, and postpones those whose destination
// does not answer. One whose key has an earlier message that waits, is set aside, or cannot be published now, is not read.
func (d *delivery) read(ctx context.Context, held map[int64]bool) error {
	ctx, cancel := context.WithTimeout(ctx, statements)
	defer cancel()
	s := &sieve{delivery: d, held: held, keys: map[string]bool{}, asked: map[processor.Destination]bool{},
		later: map[processor.Destination][]stored{}, due: map[processor.Destination]time.Time{}}
	// Many may be passed over, and their bodies are not needed.
	p := page{bodies: len(d.flights)+len(d.out) == 0 && !d.relay.silences.Any()}
	for {
		rows, err := d.relay.page(ctx, d.claim, p)
		if err != nil {
			return fmt.Errorf("outbox: read: %w", err)
		}
		passed := s.sift(rows)
		if passed == 0 || len(rows) == 0 || s.isFull() {
			break
		}
		p.after = rows[len(rows)-1].seq
	}
	if !p.bodies {
		if err := d.relay.fetch(ctx, s.taken); err != nil {
			return fmt.Errorf("outbox: read: %w", err)
		}
	}
	for to, rows := range s.later {
		d.ledger.postpone(to, s.due[to], rows...)
	}
	fresh, suspects := split(byKey(s.taken))
	d.fresh, d.suspects = append(d.fresh, fresh...), append(d.suspects, suspects...)
	return nil
}

// page is which messages are read.
type page struct {
	after  int64
	bodies bool
}

// page reads messages of the claim that are due.
func (r *Relay) page(ctx context.Context, c *claim, p page) (all []stored, err error) {
	now := time.Now().UnixMilli()
	blocking := "(w.state = 1 AND w.due_at > ? OR w.state = 2)"
	if r.pass {
		blocking = "w.state = 1 AND w.due_at > ?"
	}
	body, limit := "o.body", r.batch
	if !p.bodies {
		body, limit = "''", max(r.batch, 1000)
	}
	statement := "SELECT o.seq, o.order_key, o.failed_at, o.message, length(o.body), " + body + " FROM " + r.table + " o" +
		" WHERE o.slot IN (" + list(len(c.slots)) + ") AND o.seq > ? AND o.state < 2 AND o.due_at <= ?" +
		" AND (o.order_key = '' OR NOT EXISTS (SELECT 1 FROM " + r.table + " w" +
		" WHERE w.slot = o.slot AND w.order_key = o.order_key AND w.state > 0 AND w.seq < o.seq AND " + blocking + "))" +
		fmt.Sprintf(" ORDER BY o.seq LIMIT %d", limit)
	args := append(append([]any{}, c.slots...), p.after, now, now)
	rows, err := r.db.QueryContext(ctx, r.dialect.query(statement), args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for size := 0; size < maxRead && rows.Next(); {
		var s stored
		var message string
		if err := rows.Scan(&s.seq, &s.orderKey, &s.failedAt, &message, &s.size, &s.envelope.Body); err != nil {
			return nil, err
		}
		body := s.envelope.Body
		s.to, s.envelope, s.problem = record.Read(message)
		s.envelope.Body = body
		size += len(body)
		all = append(all, s)
	}
	return all, rows.Err()
}

// fetch reads the bodies of messages.
func (r *Relay) fetch(ctx context.Context, rows []stored) error {
	for len(rows) > 0 {
		n := min(len(rows), maxList)
		if err := r.bodies(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (r *Relay) bodies(ctx context.Context, part []stored) (err error) {
	places := make(map[int64]int, len(part))
	args := make([]any, len(part))
	for i, s := range part {
		places[s.seq], args[i] = i, s.seq
	}
	rows, err := r.db.QueryContext(ctx, r.dialect.query("SELECT seq, body FROM "+r.table+" WHERE seq IN ("+list(len(part))+")"), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seq int64
		var body []byte
		if err := rows.Scan(&seq, &body); err != nil {
			return err
		}
		part[places[seq]].envelope.Body = body
		delete(places, seq)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(places) > 0 {
		return fmt.Errorf("%d messages are gone: somebody has deleted them", len(places))
	}
	return nil
}
