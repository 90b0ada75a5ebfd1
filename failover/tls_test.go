package failover_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, file := selfSigned(t, "broker.test")
	node := encrypt(t, rabbitmqtest.Shared(t), certificate)
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)

	t.Run("a file in the URL", func(t *testing.T) {
		t.Parallel()
		requireWorks(t, session(t, dial(t, []string{node + "?server_name_indication=broker.test&cacertfile=" + file})))
	})
	t.Run("a configuration", func(t *testing.T) {
		t.Parallel()
		config := &tls.Config{RootCAs: pool, ServerName: "broker.test"}
		requireWorks(t, session(t, dial(t, []string{node}, failover.TLS(config))))
		require.Zero(t, config.MinVersion, "the caller's own is left alone")
	})
	t.Run("an unknown authority", func(t *testing.T) {
		t.Parallel()
		_, err := failover.Dial(limit(t, patience), []string{node + "?server_name_indication=broker.test"}, quiet())
		require.ErrorIs(t, err, failover.ErrTLS)
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown)
	})
	t.Run("another host's certificate", func(t *testing.T) {
		t.Parallel()
		_, err := failover.Dial(limit(t, patience), []string{node + "?cacertfile=" + file}, quiet())
		require.ErrorIs(t, err, failover.ErrTLS)
		var wrongHost x509.HostnameError
		require.ErrorAs(t, err, &wrongHost)
		require.Equal(t, "127.0.0.1", wrongHost.Host)
	})
	t.Run("no TLS on the other side", func(t *testing.T) {
		t.Parallel()
		plain := strings.Replace(rabbitmqtest.Shared(t).URL(), "amqp://", "amqps://", 1)
		_, err := failover.Dial(limit(t, time.Second), []string{plain}, quiet())
		require.ErrorIs(t, err, context.DeadlineExceeded, "what stands before a node may answer so")
		require.ErrorIs(t, err, failover.ErrTLS)
		require.ErrorContains(t, err, "amqp://")
		require.NotErrorIs(t, err, failover.ErrAuth)
	})
	t.Run("TLS on the other side", func(t *testing.T) {
		t.Parallel()
		_, err := failover.Dial(limit(t, time.Second), []string{strings.Replace(node, "amqps://", "amqp://", 1)}, quiet())
		require.ErrorIs(t, err, context.DeadlineExceeded, "a node that is starting may do so too")
		require.ErrorContains(t, err, "amqps://")
	})
	t.Run("and another node down", func(t *testing.T) {
		t.Parallel()
		_, err := failover.Dial(limit(t, time.Second), []string{node, deadURL(t)}, quiet())
		require.ErrorIs(t, err, context.DeadlineExceeded, "it may come up")
		require.ErrorIs(t, err, failover.ErrTLS)
	})
}

// selfSigned returns a certificate for name, and the file that it is in.
func selfSigned(t *testing.T, name string) (certificate tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, file
}

// encrypt puts TLS in front of a node and returns the URL.
func encrypt(t *testing.T, node *rabbitmqtest.Node, certificate tls.Certificate) string {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	address := address(t, node)
	url := serve(t, func(client net.Conn) {
		encrypted := tls.Server(client, config)
		if encrypted.HandshakeContext(t.Context()) != nil {
			return
		}
		broker, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(encrypted, broker)
			_ = client.Close()
		}()
		_, _ = io.Copy(broker, encrypted)
		_ = broker.Close()
	})
	return strings.Replace(url, "amqp://", "amqps://", 1)
}
