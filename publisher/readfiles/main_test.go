package readfiles_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if task := os.Getenv(childTask); task != "" {
		os.Exit(child(task))
	}
	rabbitmqtest.Main(m)
}
