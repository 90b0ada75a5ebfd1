package sqlitetest_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/sqltx"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

// connect opens the database at path. SQLite has one writer at a time: a transaction takes the lock
// when it begins, and waits for it for this many milliseconds.
func connect(path, busyTimeout string) (*sql.DB, error) {
	settings := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(" + busyTimeout + ")", "journal_mode(WAL)", "synchronous(NORMAL)"},
	}
	return sql.Open("sqlite", "file:"+path+"?"+settings.Encode())
}

// newDB returns a database with an inbox and a table of letters, and its path. Letters have no key:
// one written twice is there twice.
func newDB(t *testing.T) (db *sql.DB, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "test.db")
	db, err := connect(path, "20000")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, statement := range []string{
		sqltx.SQLiteInboxTable,
		`CREATE TABLE letters (id text NOT NULL, attempt integer NOT NULL DEFAULT 1)`,
	} {
		_, err = db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	return db, path
}

// count is how many rows there are.
func count(t *testing.T, db *sql.DB, from string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}

// write is a handler that writes a letter with the id of its message.
func write(ctx context.Context, msg processor.Message) error {
	tx, err := sqltx.From(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO letters (id) VALUES (?)", msg.Properties().ID)
	return err
}

var errMail = errors.New("mail server says no")
