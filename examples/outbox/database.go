package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver of PostgreSQL
	_ "modernc.org/sqlite"             // the driver of SQLite

	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/publisher/outbox"
)

// database is the shop's.
type database struct {
	*sql.DB

	dialect outbox.Dialect
	inbox   string
	notify  []outbox.Option      // so that relays in other processes wake at once
	listen  []outbox.RelayOption // so that this one does
	closing func() error
}

// open returns a database with empty tables: PostgreSQL, or without a URL a SQLite file.
func open(ctx context.Context, url string) (*database, error) {
	d, inboxTable, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	statements, err := outbox.Schema(d.dialect, "")
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	for _, s := range append(statements, inboxTable,
		"CREATE TABLE IF NOT EXISTS shop_orders (item text)", "DELETE FROM shop_orders",
		"CREATE TABLE IF NOT EXISTS shop_bills (item text)", "DELETE FROM shop_bills") {
		if _, err := d.ExecContext(ctx, s); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

func connect(ctx context.Context, url string) (d *database, inboxTable string, err error) {
	if url != "" {
		d, err = postgres(ctx, url)
		return d, sqltx.PostgresInboxTable, err
	}
	d, err = sqlite()
	return d, sqltx.SQLiteInboxTable, err
}

func (d *database) close() error { return errors.Join(d.Close(), d.closing()) }

// query has PostgreSQL's parameter in place of the question mark.
func (d *database) query(s string) string {
	if d.dialect == outbox.Postgres {
		return strings.Replace(s, "?", "$1", 1)
	}
	return s
}

// sqlite makes a file. SQLite has one writer at a time: the others wait up to ten seconds.
func sqlite() (*database, error) {
	dir, err := os.MkdirTemp("", "warren-outbox-")
	if err != nil {
		return nil, err
	}
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)"}}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?"+settings.Encode())
	return &database{
		DB: db, dialect: outbox.SQLite, inbox: sqltx.SQLiteInbox,
		closing: func() error { return os.RemoveAll(dir) },
	}, err
}

const channel = "shop_outbox"

func postgres(ctx context.Context, url string) (*database, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	_, err = conn.Exec(ctx, "LISTEN "+channel)
	return &database{
		DB: db, dialect: outbox.Postgres, inbox: sqltx.PostgresInbox,
		notify:  []outbox.Option{outbox.Notify(channel)},
		listen:  []outbox.RelayOption{outbox.Listen(listener{conn})},
		closing: func() error { return conn.Close(context.WithoutCancel(ctx)) },
	}, err
}

// listener is a connection that listens.
type listener struct{ *pgx.Conn }

// Wait waits for a notification.
func (l listener) Wait(ctx context.Context) error {
	_, err := l.WaitForNotification(ctx)
	return err
}
