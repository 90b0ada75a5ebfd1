//go:build unix

package service_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/processor"
)

func send(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(os.Getpid(), s))
}

// Not parallel: each signal is the process's.
func TestSignals(t *testing.T) {
	b := memory.New()
	begun := make(chan struct{})
	var cause error
	s := newService(t, b, service.Signals(syscall.SIGUSR1), queue("mail", func(ctx context.Context, _ processor.Message) error {
		close(begun)
		<-ctx.Done()
		cause = context.Cause(ctx)
		return ctx.Err()
	}))
	end := make(chan error, 1)
	go func() { end <- s.Run(t.Context()) }()
	begins(t, s)
	post(t, b, "mail")
	<-begun
	send(t, syscall.SIGUSR1)
	require.Eventually(t, func() bool { return phases(s)["mail"] == service.Draining }, minute, time.Millisecond)
	select {
	case err := <-end:
		require.Fail(t, "it drains", "%v", err)
	case <-time.After(50 * time.Millisecond):
	}
	send(t, syscall.SIGUSR1)
	require.NoError(t, <-end, "within the drain timeout of 20 s")
	require.ErrorIs(t, cause, processor.ErrShutdown)
	n, err := b.Ready(t.Context(), "mail")
	require.NoError(t, err)
	require.Equal(t, 1, n, "it goes back")
	require.NoError(t, b.Close(t.Context()))
}

// SIGTERM and SIGINT are handled unless a program says otherwise.
func TestSignalsByDefault(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		b := memory.New()
		s, err := service.New(b, quiet, service.OwnBroker(), queue("mail", nothing))
		require.NoError(t, err)
		end := make(chan error, 1)
		go func() { end <- s.Run(t.Context()) }()
		begins(t, s)
		send(t, sig)
		require.NoError(t, <-end)
	}
}

func TestASignalDuringTheStart(t *testing.T) {
	b := newSpy()
	declaring := make(chan struct{})
	b.declare = func(ctx context.Context) error { close(declaring); <-ctx.Done(); return ctx.Err() }
	s := newService(t, b, service.Signals(syscall.SIGUSR2), service.OwnBroker(), queue("mail", nothing))
	end := make(chan error, 1)
	go func() { end <- s.Run(t.Context()) }()
	<-declaring
	send(t, syscall.SIGUSR2)
	require.NoError(t, <-end)
	_, closed := b.times()
	require.Equal(t, 1, closed)
	require.False(t, isReady(s))
}
