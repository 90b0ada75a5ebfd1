package outbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// Check returns an error if the table is not as [Schema] makes it. It writes into it in a transaction that it rolls back. A relay
// checks its table when it starts. table "" is [DefaultTable].
func Check(ctx context.Context, db *sql.DB, d Dialect, table string) error {
	if table == "" {
		table = DefaultTable
	}
	if err := errors.Join(d.check(), checkTable(table)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, statements)
	defer cancel()
	p := &probe{Relay: &Relay{relayConfig: relayConfig{dialect: d, table: table}, db: db}}
	for _, step := range []func(context.Context) error{p.insert, p.kept, p.slots} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("outbox: the table %s is not as outbox.Schema makes it: %w", table, err)
		}
	}
	return nil
}

// probe tries the table of a relay.
type probe struct {
	*Relay
	first int64 // the number of its first row
}

// probed is a state that no relay looks for.
const probed = 99

// insert writes rows, reads them, and rolls back.
func (p *probe) insert(ctx context.Context) error {
	tx, err := p.db.BeginTx(ctx, p.dialect.transaction())
	if err != nil {
		return err
	}
	return errors.Join(p.try(ctx, tx), tx.Rollback())
}

func (p *probe) try(ctx context.Context, tx *sql.Tx) error {
	keys := []string{"a", "A", "a ", "ä"}
	body := []byte{0, 255, '\\', '\''}
	for i, key := range keys {
		if _, err := tx.ExecContext(ctx, p.dialect.query("INSERT INTO "+p.table+" (slot, order_key, exchange, routing_key, message, body, created_at, state) VALUES (?,?,?,?,?,?,?,?)"),
			-1-i, key, key, key, "€😀", body, int64(1)<<52, probed); err != nil {
			return err
		}
	}
	numbers, err := p.numbers(ctx, tx, "SELECT seq FROM "+p.table+" WHERE state = ? AND slot < 0 ORDER BY slot DESC", []any{probed})
	if err != nil {
		return err
	}
	if len(numbers) < len(keys) || !slices.IsSortedFunc(numbers, func(a, b any) int { return int(a.(int64) - b.(int64)) }) { //nolint:forcetypeassert // they are
		return errors.New("the numbers of rows do not grow: seq has to count up")
	}
	p.first = numbers[0].(int64) //nolint:forcetypeassert // it is
	for _, column := range []string{"order_key", "exchange", "routing_key"} {
		different, err := p.numbers(ctx, tx, "SELECT count(DISTINCT "+column+") FROM "+p.table+" WHERE state = ? AND slot < 0", []any{probed})
		if err != nil {
			return err
		}
		if different[0] != int64(len(keys)) {
			return fmt.Errorf("it takes different names for the same: the column %s has to compare bytes", column)
		}
	}
	var gotMessage string
	var gotBody []byte
	if err := tx.QueryRowContext(ctx, p.dialect.query("SELECT message, body FROM "+p.table+" WHERE seq = ?"), p.first).Scan(&gotMessage, &gotBody); err != nil {
		return err
	}
	if gotMessage != "€😀" || !bytes.Equal(gotBody, body) {
		return errors.New("it does not keep what is written into it: message has to take all of Unicode, and body any bytes")
	}
	_, err = p.numbers(ctx, tx, "SELECT seq FROM "+p.table+" WHERE due_at < 0 AND failed_at < 0 AND error = 'no'", nil)
	return err
}

// kept returns an error if the rollback has not removed a row: then messages would be published although their transaction was
// rolled back.
func (p *probe) kept(ctx context.Context) error {
	left, err := p.numbers(ctx, p.db, "SELECT seq FROM "+p.table+" WHERE seq = ? AND state = ?", []any{p.first, probed})
	if err == nil && len(left) > 0 {
		err = errors.New("it keeps what was rolled back: in MySQL it needs ENGINE = InnoDB")
	}
	return err
}

// slots returns an error if there are not exactly the slots that rows get. A message in another would never be published.
func (p *probe) slots(ctx context.Context) error {
	numbers, err := p.numbers(ctx, p.db, "SELECT slot FROM "+p.table+"_slots WHERE until >= 0 AND owner <> 'nobody' ORDER BY slot", nil)
	if err != nil {
		return err
	}
	for i := range slots {
		if len(numbers) != slots || numbers[i] != int64(i) {
			return fmt.Errorf("the table %s_slots has to have the slots 0 to %d", p.table, slots-1)
		}
	}
	return nil
}
