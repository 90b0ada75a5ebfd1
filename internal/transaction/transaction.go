// Package transaction carries a SQL transaction from whoever began it to those who work in it.
package transaction

import (
	"context"
	"database/sql"
	"sync"
)

// Transaction is a transaction, and what is to be done after its commit.
type Transaction struct {
	SQL *sql.Tx

	mu    sync.Mutex
	after []func()
}

type key struct{}

// In returns a context that carries t.
func (t *Transaction) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, t)
}

// From returns the innermost transaction of ctx, nil if there is none.
func From(ctx context.Context) *Transaction {
	t, _ := ctx.Value(key{}).(*Transaction)
	return t
}

// After has f called after the commit, if whoever commits says so.
func (t *Transaction) After(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.after = append(t.after, f)
}

// Committed calls what was given to After.
func (t *Transaction) Committed() {
	t.mu.Lock()
	after := t.after
	t.after = nil
	t.mu.Unlock()
	for _, f := range after {
		f()
	}
}
