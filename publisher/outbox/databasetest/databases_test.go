package databasetest_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/publisher/outbox"
)

var databases atomic.Int64

var postgres = &server{
	name: "postgres", driver: "pgx", admin: "postgres", private: true,
	end: syscall.SIGINT, // at once, and tidily: without waiting for clients
	prepare: func(s *server) error {
		out, err := s.run("usr/lib/postgresql/15/bin/initdb", "-D", filepath.Join(s.dir, "data"), "-U", "warren", "-A", "trust",
			"--no-sync", "-E", "UTF8", "--locale=C").CombinedOutput()
		if err != nil {
			return fmt.Errorf("initdb: %w: %s", err, out)
		}
		return nil
	},
	command: func(s *server) *exec.Cmd {
		return s.run("usr/lib/postgresql/15/bin/postgres", "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-c", "listen_addresses=",
			"-c", "fsync=off", "-c", "jit=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB")
	},
	dsn: func(s *server, database string) string {
		return fmt.Sprintf("host=%s user=warren dbname=%s", s.dir, database)
	},
}

var mariadb = &server{
	name: "mariadb", driver: "mysql", admin: "warren", end: syscall.SIGTERM,
	prepare: func(s *server) error { return os.MkdirAll(filepath.Join(s.dir, "data", "warren"), 0o700) },
	command: func(s *server) *exec.Cmd {
		return s.run("usr/sbin/mariadbd", "--no-defaults", "--user=root", "--datadir="+filepath.Join(s.dir, "data"),
			"--lc-messages-dir="+filepath.Join(s.root, "usr/share/mysql"), "--character-sets-dir="+filepath.Join(s.root, "usr/share/mysql/charsets"),
			"--tmpdir="+s.dir, "--pid-file="+filepath.Join(s.dir, "pid"), "--socket="+filepath.Join(s.dir, "socket"),
			"--skip-networking", "--skip-grant-tables", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--max-connections=300")
	},
	dsn: func(s *server, database string) string {
		return fmt.Sprintf("root@unix(%s)/%s", filepath.Join(s.dir, "socket"), database)
	},
}

// kind is a database that the tests run on.
type kind struct {
	dialect           outbox.Dialect
	driver            string
	inbox, inboxTable string
	newDatabase       func(tb testing.TB) (dsn string)
	arg               func(n int) string
}

var kinds = map[string]kind{
	"postgres": {
		dialect: outbox.Postgres, driver: "pgx", inbox: sqltx.PostgresInbox, inboxTable: sqltx.PostgresInboxTable,
		newDatabase: postgres.newDatabase, arg: func(n int) string { return fmt.Sprintf("$%d", n) },
	},
	"mariadb": {
		dialect: outbox.MySQL, driver: "mysql", inbox: sqltx.MySQLInbox, inboxTable: sqltx.MySQLInboxTable,
		newDatabase: mariadb.newDatabase, arg: func(int) string { return "?" },
	},
	"sqlite": {
		dialect: outbox.SQLite, driver: "sqlite", inbox: sqltx.SQLiteInbox, inboxTable: sqltx.SQLiteInboxTable,
		newDatabase: func(tb testing.TB) string {
			tb.Helper()
			settings := url.Values{
				"_txlock": {"immediate"},
				"_pragma": {"busy_timeout(20000)", "journal_mode(WAL)", "synchronous(NORMAL)"},
			}
			return "file:" + filepath.Join(tb.TempDir(), "test.db") + "?" + settings.Encode()
		},
		arg: func(int) string { return "?" },
	},
}

// database is one with an outbox, an inbox and a table of letters.
type database struct {
	kind
	*sql.DB

	dsn string
}

func newDatabase(tb testing.TB, k kind) *database {
	tb.Helper()
	d := &database{kind: k, dsn: k.newDatabase(tb)}
	var err error
	d.DB, err = sql.Open(k.driver, d.dsn)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, d.Close()) })
	statements, err := outbox.Schema(k.dialect, "")
	require.NoError(tb, err)
	for _, s := range append(statements, k.inboxTable, `CREATE TABLE letters (id varchar(100) NOT NULL)`) {
		_, err := d.ExecContext(tb.Context(), s)
		require.NoError(tb, err, s)
	}
	return d
}

// each runs a test on each database.
func each(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newDatabase(t, k))
		})
	}
}

// count is how many rows there are.
func (d *database) count(tb testing.TB, from string) (n int) {
	tb.Helper()
	require.NoError(tb, d.QueryRowContext(tb.Context(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}
