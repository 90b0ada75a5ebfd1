package rabbitmq_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// records is a log handler that keeps its records.
type records struct {
	mu       sync.Mutex
	messages bytes.Buffer
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages.WriteString(rec.Message + "\n")
	return nil
}

func (r *records) count(message string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.messages.String(), message)
}
