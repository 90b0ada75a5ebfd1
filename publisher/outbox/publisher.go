package outbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/lineage"
	"github.com/gowarren/warren/internal/record"
	"github.com/gowarren/warren/internal/transaction"
	"github.com/gowarren/warren/processor"
)

// ErrNoTransaction is the error of a publish whose context has no transaction. Nothing was written.
var ErrNoTransaction = errors.New("outbox: there is no transaction in this context: put sqltx.New into the stack, or use outbox.In")

// In returns a context in which an outbox writes into tx. The caller commits tx, and then calls
// [Relay.Wake] if the relay is in its process. A handler inside processors/sqltx does not need it.
func In(ctx context.Context, tx *sql.Tx) context.Context {
	return (&transaction.Transaction{SQL: tx}).In(ctx)
}

// New returns a publisher that writes each message into the table of an outbox, in the transaction of its
// context: that of processors/sqltx, or of [In]. A [Relay] publishes it after the commit, and never if the transaction is rolled back.
// It is safe for concurrent use, as far as a transaction is.
//
// A message without an id gets one. After an error the transaction has to be rolled back.
func New(d Dialect, opts ...Option) (processor.Publisher, error) {
	c, err := newConfig(d, opts)
	if err != nil {
		return nil, err
	}
	return &publisher{c}, nil
}

type publisher struct{ config }

var (
	_ processor.BatchPublisher = (*publisher)(nil)
	_ processor.Transactional  = (*publisher)(nil)
)

// WithinTransaction is true.
func (*publisher) WithinTransaction() bool { return true }

// Publish returns nil when the message is in the transaction.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	return errors.Join(p.PublishBatch(ctx, to, []processor.Envelope{e})...)
}

// row is what is written of a message.
type row struct {
	slot     int
	orderKey string
	to       processor.Destination
	message  string
	body     []byte
}

// PublishBatch writes all messages, or none.
func (p *publisher) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	rows := make([]row, len(batch))
	for i, e := range batch {
		var err error
		if rows[i], err = p.row(to, e); err != nil {
			errs := slices.Repeat([]error{processor.ErrSkipped}, len(batch))
			errs[i] = fmt.Errorf("outbox: %w", err)
			return errs
		}
	}
	tx := transaction.From(ctx)
	err := ErrNoTransaction
	if tx != nil {
		err = p.insert(ctx, tx.SQL, rows)
	}
	if err != nil {
		return slices.Repeat([]error{err}, len(batch))
	}
	if p.relay != nil {
		tx.After(p.relay.Wake)
	}
	return nil
}

// row returns the row of a message.
func (p *publisher) row(to processor.Destination, e processor.Envelope) (row, error) {
	if e.ID == "" {
		e.ID = lineage.RandomID()
	}
	r := row{body: e.Body, to: to, slot: rand.IntN(slots)} //nolint:gosec // no secret
	if r.body == nil {
		r.body = []byte{} // nil is NULL
	}
	if p.orderBy != nil {
		if problem := callback.Call("the function given to OrderBy", func() { r.orderKey = column(p.orderBy(to, e)) }); problem != nil {
			return r, problem
		}
	}
	if r.orderKey != "" {
		h := fnv.New32a()
		_, _ = h.Write([]byte(r.orderKey))
		r.slot = int(h.Sum32() % slots)
	}
	var err error
	r.message, err = record.Write(to, e)
	return r, err
}

// column stands for a name in the table, where it has to be text and at most 255 bytes.
func column(name string) string {
	if len(name) <= 255 && utf8.ValidString(name) && !strings.ContainsRune(name, 0) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Most rows and bytes of one statement. MariaDB takes 16 MiB, unless told otherwise.
const (
	maxRows  = 100
	maxBytes = 4 << 20
)

// insert writes rows, as many at a time as a statement takes.
func (p *publisher) insert(ctx context.Context, tx *sql.Tx, rows []row) error {
	now := time.Now().UnixMilli()
	for len(rows) > 0 {
		var args []any
		n, size := 0, 0
		for ; n < len(rows) && n < maxRows && (n == 0 || size+len(rows[n].body)+len(rows[n].message) <= maxBytes); n++ {
			r := rows[n]
			size += len(r.body) + len(r.message)
			args = append(args, r.slot, r.orderKey, column(r.to.Exchange), column(r.to.RoutingKey), r.message, r.body, now)
		}
		statement := "INSERT INTO " + p.table + " (slot, order_key, exchange, routing_key, message, body, created_at) VALUES (?,?,?,?,?,?,?)" + strings.Repeat(",(?,?,?,?,?,?,?)", n-1)
		if _, err := tx.ExecContext(ctx, p.dialect.query(statement), args...); err != nil {
			return fmt.Errorf("outbox: insert: %w", err)
		}
		rows = rows[n:]
	}
	if p.channel != "" {
		if _, err := tx.ExecContext(ctx, "SELECT pg_notify($1, '')", p.channel); err != nil {
			return fmt.Errorf("outbox: notify: %w", err)
		}
	}
	return nil
}
