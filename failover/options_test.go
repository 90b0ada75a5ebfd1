package failover_test

import (
	"crypto/tls"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
)

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		url    string
		option failover.Option
		want   string
	}{
		{"nil", "amqp://", nil, "an option is nil"},
		{"connect timeout", "amqp://", failover.ConnectTimeout(0), "connect timeout"},
		{"answer timeout", "amqp://", failover.AnswerTimeout(-1), "answer timeout"},
		{"heartbeat too short", "amqp://", failover.Heartbeat(0), "heartbeat"},
		{"heartbeat of a fraction", "amqp://", failover.Heartbeat(1500 * time.Millisecond), "heartbeat"},
		{"heartbeat too long", "amqp://", failover.Heartbeat(65536 * time.Second), "heartbeat"},
		{"stable time", "amqp://", failover.StableAfter(-1), "stable time"},
		{"backoff of nothing", "amqp://", failover.Backoff(0, time.Second), "backoff"},
		{"backoff without a unit", "amqp://", failover.Backoff(1000, time.Second), "backoff from 1µs"},
		{"backoff that shrinks", "amqp://", failover.Backoff(2, 1), "backoff"},
		{"properties", "amqp://", failover.ClientProperties(amqp.Table{"a": struct{}{}}), "client properties"},
		{"rounds", "amqp://", failover.MaxRounds(0), "at most 0 rounds"},
		{"strategy", "amqp://", failover.InOrder(nil), "strategy is nil"},
		{"credentials", "amqp://", failover.Credentials(nil), "function given to Credentials is nil"},
		{"network dialer", "amqp://", failover.NetDialer(nil), "network dialer"},
		{"TLS for nothing", "amqp://", failover.TLS(&tls.Config{MinVersion: tls.VersionTLS12}), "no URL is amqps://"},
		{"TLS too old", "amqps://", failover.TLS(&tls.Config{MaxVersion: tls.VersionTLS11}), "TLS 1.2"},
		{"TLS without verification", "amqps://", failover.TLS(&tls.Config{InsecureSkipVerify: true}), "verifies nothing"},
		{"no such file", "amqps://a?cacertfile=/nowhere", failover.Name("a"), "cacertfile"},
		{"no certificate", "amqps://a?certfile=/nowhere&keyfile=/nowhere", failover.Name("a"), "certfile"},
		{"not a certificate", "amqps://a?cacertfile=options_test.go", failover.Name("a"), "no certificate"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := failover.Dial(t.Context(), []string{row.url}, row.option)
			require.ErrorContains(t, err, row.want)
		})
	}
}
