// Package databasetest_test tests publisher/outbox, and the inbox of processors/sqltx, on real databases: PostgreSQL
// and MariaDB, each a private instance that this process starts, and SQLite. It is a module of its own, so that the drivers
// stay out of the library's go.mod.
//
// The programs of the databases are those that scripts/unpack-databases has put into the user's cache, or those of the
// directory in WARREN_DATABASES, which is / for Debian's packages postgresql-15 and mariadb-server-core.
package databasetest_test
