package rabbitmq_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
)

// TLS and the heartbeat were to be found in package failover only.
func TestTLSAndTheHeartbeatReachBothConnections(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(server.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	handshakes := make(chan error, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handshakes <- conn.(*tls.Conn).HandshakeContext(context.Background()) //nolint:forcetypeassert // of a TLS listener
			_ = conn.Close()
		}
	}()
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	connect := func(opts ...rabbitmq.Option) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _, _ = rabbitmq.Open(ctx, []string{"amqps://" + listener.Addr().String() + "/"}, opts...) }()
		return <-handshakes
	}
	require.NoError(t, connect(rabbitmq.TLS(&tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12})))

	_, err = rabbitmq.Open(t.Context(), []string{"amqp://localhost/"}, rabbitmq.Heartbeat(1500*time.Millisecond))
	require.Error(t, err, "it is no whole number of seconds")
}
