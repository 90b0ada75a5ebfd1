package databasetest_test

import (
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if what := os.Getenv(childTask); what != "" {
		os.Exit(child(what))
	}
	rabbitmqtest.Main(run{m})
}

// run is the tests, after which the databases end.
type run struct{ goleak.TestingM }

func (r run) Run() int {
	defer postgres.stop()
	defer mariadb.stop()
	return r.TestingM.Run()
}
