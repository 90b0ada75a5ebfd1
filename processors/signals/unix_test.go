//go:build unix

package signals_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/signals"
)

// Signals reach the whole process, so that no test here is parallel.

// run records how it was ended.
type run struct{ calls chan string }

func newRun() *run { return &run{make(chan string, 10)} }

func (r *run) End(err error) {
	if err == nil {
		r.calls <- "end"
	}
}

func (r *run) Abort(err error) {
	if err == nil {
		r.calls <- "abort"
	}
}

func (r *run) Pause() func() { panic("paused") }

// guard keeps signals that the layer no longer listens to from ending the test.
func guard(t *testing.T) chan os.Signal {
	t.Helper()
	c := make(chan os.Signal, 10)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1)
	t.Cleanup(func() { signal.Stop(c) })
	return c
}

// send sends a signal to this process and waits until it has arrived.
func send(t *testing.T, arrived chan os.Signal, s syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(os.Getpid(), s))
	require.Equal(t, s, <-arrived)
}

func TestTheFirstSignalEndsTheRunAndTheSecondAbortsIt(t *testing.T) {
	arrived := guard(t)
	for name, s := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGQUIT": syscall.SIGQUIT} {
		var out strings.Builder
		p := build(t, func(context.Context, processor.Message) error { return errMail }, signals.Logger(logger(&out)))
		r := newRun()
		require.NoError(t, p.Start(stack.WithRun(t.Context(), r)))
		send(t, arrived, s)
		require.Equal(t, "end", <-r.calls)
		require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()), "a result stays as it is")
		require.NoError(t, p.Idle(t.Context()))
		send(t, arrived, syscall.SIGTERM)
		require.Equal(t, "abort", <-r.calls)
		send(t, arrived, s)
		require.NoError(t, p.Stop(t.Context()))
		require.Empty(t, r.calls, "the third is not for this layer")
		require.Equal(t, 2, strings.Count(out.String(), "level=INFO"))
		require.Contains(t, out.String(), "signal="+name)
	}
}

func TestEachRunListensAnewAndNobodyAfterIt(t *testing.T) {
	arrived := guard(t)
	p := build(t, succeed, signals.Logger(slog.New(slog.DiscardHandler)))
	for range 3 {
		r := newRun()
		require.NoError(t, p.Start(stack.WithRun(t.Context(), r)))
		send(t, arrived, syscall.SIGTERM)
		require.Equal(t, "end", <-r.calls)
		require.NoError(t, p.Stop(t.Context()))
		send(t, arrived, syscall.SIGTERM)
		require.Empty(t, r.calls)
	}
}

func TestTwoConsumersOfAProcessBothEnd(t *testing.T) {
	arrived := guard(t)
	m := signals.New(signals.Logger(slog.New(slog.DiscardHandler)))
	var runs []*run
	for range 2 {
		p, err := stack.New(m).ThenFunc(succeed)
		require.NoError(t, err)
		r := newRun()
		runs = append(runs, r)
		require.NoError(t, p.Start(stack.WithRun(t.Context(), r)))
		defer func() { require.NoError(t, p.Stop(context.WithoutCancel(t.Context()))) }()
	}
	send(t, arrived, syscall.SIGTERM)
	require.Equal(t, "end", <-runs[0].calls)
	require.Equal(t, "end", <-runs[1].calls)
}

func TestOnlyTheChosenSignalsEndTheRun(t *testing.T) {
	arrived := guard(t)
	p := build(t, succeed, signals.Signals(syscall.SIGUSR1), signals.Logger(slog.New(slog.DiscardHandler)))
	r := newRun()
	require.NoError(t, p.Start(stack.WithRun(t.Context(), r)))
	send(t, arrived, syscall.SIGTERM)
	send(t, arrived, syscall.SIGUSR1)
	require.Equal(t, "end", <-r.calls)
	require.NoError(t, p.Stop(t.Context()))
	require.Empty(t, r.calls, "one signal of two counted")
}

func TestWithoutControlTheWishToStopIsJoined(t *testing.T) {
	arrived := guard(t)
	logged := make(lines, 10)
	result := error(nil)
	p := build(t, func(context.Context, processor.Message) error { return result }, signals.Logger(logger(logged)))
	r := newRun()
	require.NoError(t, p.Start(stack.WithRun(t.Context(), r)))
	require.NoError(t, p.Stop(t.Context()))

	require.NoError(t, p.Start(t.Context()))
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.NoError(t, p.Idle(t.Context()))
	send(t, arrived, syscall.SIGTERM)
	require.Contains(t, <-logged, "another one ends the process")
	require.Equal(t, processor.Decision{Stop: true}, processor.Decide(p.Process(t.Context(), processortest.NewMessage())))
	require.ErrorIs(t, p.Idle(t.Context()), processor.ErrStop)
	result = processor.Reject(errMail)
	err := p.Process(t.Context(), processortest.NewMessage())
	require.ErrorIs(t, err, errMail)
	require.Equal(t, processor.Decision{Action: processor.Rejected, Stop: true}, processor.Decide(err))
	require.NoError(t, p.Stop(t.Context()))
	result = nil
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()), "it ends with the run")
	require.Empty(t, r.calls)
}

// lines passes on its input, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func TestStopReturnsWhenItsContextEndsWhateverTheLoggerDoes(t *testing.T) {
	arrived := guard(t)
	logged := make(lines) // never read
	p := build(t, succeed, signals.Logger(logger(logged)))
	r := newRun()
	require.NoError(t, p.Start(stack.WithRun(t.Context(), r)))
	send(t, arrived, syscall.SIGTERM)
	require.Equal(t, "end", <-r.calls)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Stop(ctx), context.Canceled)
	<-logged
}

// program is a child process.
type program struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, name string) *program {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "WARREN_SIGNALS_CHILD="+name)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &program{cmd, in, bufio.NewScanner(out)}
}

// says waits for the next line.
func (p *program) says(t *testing.T, want string) {
	t.Helper()
	require.True(t, p.out.Scan(), "it has ended")
	require.Contains(t, p.out.Text(), want)
}

func (p *program) send(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(s))
}

func TestAProgramSettlesItsMessageAndExitsWithoutAnError(t *testing.T) {
	p := start(t, "patient")
	p.says(t, "ready")
	p.send(t, syscall.SIGTERM)
	p.says(t, "signal=SIGTERM")
	_, err := io.WriteString(p.in, "go on\n")
	require.NoError(t, err)
	p.says(t, "handled, context: <nil>")
	p.says(t, "done: 1, left: 0")
	require.NoError(t, p.Wait())
}

func TestASecondSignalGivesTheMessageBack(t *testing.T) {
	p := start(t, "long")
	p.says(t, "ready")
	p.send(t, syscall.SIGTERM)
	p.says(t, "signal=SIGTERM")
	p.send(t, syscall.SIGINT)
	p.says(t, "signal=SIGINT")
	p.says(t, "done: 0, left: 1")
	require.NoError(t, p.Wait())
}

func TestASignalThatNobodyListensToAnyMoreKills(t *testing.T) {
	for name, heard := range map[string]int{"endless": 2, "cannot be told": 1, "over": 0} {
		t.Run(name, func(t *testing.T) {
			p := start(t, name)
			p.says(t, "ready")
			for range heard {
				p.send(t, syscall.SIGTERM)
				p.says(t, "signal=SIGTERM")
			}
			p.send(t, syscall.SIGTERM)
			var exit *exec.ExitError
			require.ErrorAs(t, p.Wait(), &exit)
			status, ok := exit.Sys().(syscall.WaitStatus)
			require.True(t, ok)
			require.Equal(t, syscall.SIGTERM, status.Signal())
		})
	}
}
