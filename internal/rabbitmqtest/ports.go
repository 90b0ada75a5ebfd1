//go:build unix

package rabbitmqtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that the kernel gives to outgoing connections
// (32768 and up on Linux, 49152 on others). A node that is down keeps its port. If that were
// in the range, a client that dials it over and over would sooner or later get the
// same port for its own end, connect to itself, and keep the node from coming back.
const (
	firstPort = 10000
	lastPort  = 32767
)

// freePort returns a port without a listener. Another process may take it before it is
// used, so starting is tried more than once.
func freePort(ctx context.Context) (int, error) {
	var listen net.ListenConfig
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1) //nolint:gosec // no secret: it only spreads test processes
		listener, err := listen.Listen(ctx, "tcp", loopback(port))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
