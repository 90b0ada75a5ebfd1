package failover

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// checkTLS finds what is wrong with the TLS settings before anything is dialled.
func (c *config) checkTLS(endpoints []Endpoint) error {
	if c.tls != nil && !slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.tls }) {
		return errors.New("failover: there is a TLS configuration, but no URL is amqps://")
	}
	var errs []error
	for _, e := range endpoints {
		if !e.tls {
			continue
		}
		if _, err := c.tlsFor(e); err != nil {
			errs = append(errs, fmt.Errorf("failover: node %s: %w", e.Address(), err))
		}
	}
	return errors.Join(errs...)
}

// tlsFor returns the TLS configuration for a node. It reads the files each time, so
// that a renewed certificate is used from the next reconnect on.
func (c *config) tlsFor(e Endpoint) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.tls != nil {
		t = c.tls.Clone()
	}
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	t.ServerName = cmp.Or(e.serverName, t.ServerName, e.host)
	if t.MaxVersion != 0 && t.MaxVersion < t.MinVersion {
		return nil, errors.New("the TLS configuration allows nothing from TLS 1.2 on")
	}
	if t.InsecureSkipVerify && t.VerifyConnection == nil && t.VerifyPeerCertificate == nil {
		return nil, errors.New("the TLS configuration verifies nothing: set RootCAs in place of InsecureSkipVerify")
	}
	if e.caFile != "" {
		pool, err := readPool(e.caFile)
		if err != nil {
			return nil, err
		}
		t.RootCAs = pool
	}
	if e.certFile != "" {
		certificate, err := tls.LoadX509KeyPair(e.certFile, e.keyFile)
		if err != nil {
			return nil, fmt.Errorf("certfile or keyfile: %w", err)
		}
		t.Certificates = []tls.Certificate{certificate}
	}
	return t, nil
}

// speakTLS makes a TLS connection of a socket.
func (c *config) speakTLS(ctx context.Context, e Endpoint, socket net.Conn) (net.Conn, error) {
	t, err := c.tlsFor(e)
	if err != nil {
		return nil, err
	}
	client := tls.Client(socket, t)
	err = client.HandshakeContext(ctx)
	var plain tls.RecordHeaderError
	switch {
	case err == nil:
		return client, nil
	case isUntrusted(err):
		return nil, fmt.Errorf("%w: %w", ErrTLS, err)
	case errors.As(err, &plain):
		return nil, fmt.Errorf("%w: the node does not speak TLS on this port; without it the URL begins with amqp://: %w", ErrTLS, err)
	}
	return nil, err
}

// isUntrusted reports whether err is about a node's certificate.
func isUntrusted(err error) bool {
	var untrusted *tls.CertificateVerificationError
	return errors.As(err, &untrusted)
}

// silent adds a possible cause to the error of a node that has closed the connection.
func silent(e Endpoint, err error) error {
	var reply *amqp.Error
	closed := errors.Is(err, io.EOF) || errors.As(err, &reply) && !reply.Server && reply.Reason == io.EOF.Error()
	if e.tls || !closed {
		return err
	}
	return fmt.Errorf("%w: the node has closed the connection without a word; one that expects TLS on this port does so, and the URL then begins with amqps://", err)
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("cacertfile: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cacertfile: no certificate in %s", file)
	}
	return pool, nil
}
