package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stats is what an outbox holds.
type Stats struct {
	// Depth is how many messages are still to be published, Waiting among them.
	Depth int64
	// Waiting is how many of them have failed, and are tried again.
	Waiting int64
	// SetAside is how many messages are not tried again.
	SetAside int64
	// Oldest is the age of the oldest message that is still to be published; 0 if there is none.
	Oldest time.Duration
}

// Stats reads what the table holds. It counts all rows.
func (r *Relay) Stats(ctx context.Context) (s Stats, err error) {
	rows, err := r.db.QueryContext(ctx, "SELECT state, count(*), min(created_at) FROM "+r.table+" GROUP BY state") //nolint:gosec // the name was checked
	if err != nil {
		return s, fmt.Errorf("outbox: stats: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for rows.Next() {
		var state int
		var n, created int64
		if err := rows.Scan(&state, &n, &created); err != nil {
			return s, fmt.Errorf("outbox: stats: %w", err)
		}
		switch state {
		case ready, waiting:
			s.Depth += n
			s.Oldest = max(s.Oldest, time.Since(time.UnixMilli(created)))
		case setAside:
			s.SetAside = n
		}
		if state == waiting {
			s.Waiting = n
		}
	}
	return s, nil
}
