// Package sqlitetest_test tests processors/sqltx on a real SQLite. It is a module of its
// own, so that the driver stays out of the library's go.mod.
package sqlitetest_test
