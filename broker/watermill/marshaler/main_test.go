package marshaler_test

import (
	"testing"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) { rabbitmqtest.Main(m) }
