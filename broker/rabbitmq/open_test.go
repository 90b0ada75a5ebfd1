package rabbitmq_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestWrongURLsAndPasswordsAreClearAndShowNoSecret(t *testing.T) {
	t.Parallel()
	good := rabbitmqtest.Shared(t).URL()
	quiet := rabbitmq.Logger(slog.New(slog.DiscardHandler))
	for name, tc := range map[string]struct{ url, says string }{
		"unknown scheme": {"http://guest:" + secret + "@localhost/", "amqp"},
		"bad port":       {"amqp://guest:" + secret + "@localhost:port/", "port"},
		"no URL":         {"", "URL"},
		"wrong password": {strings.Replace(good, "guest:guest", "guest:"+secret, 1), "refused"},
		"wrong vhost":    {good + secret + "-vhost", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := rabbitmq.Open(within(t), []string{tc.url}, quiet)
			require.ErrorContains(t, err, tc.says)
			if name != "wrong vhost" {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
}
