package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/ledger"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) { rabbitmqtest.Main(m) }

// output calls a function once a certain line has been printed.
type output struct {
	on map[string]func()

	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	for line, do := range o.on {
		if strings.Contains(o.text.String(), line) {
			delete(o.on, line)
			do()
		}
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func short(out io.Writer) *program {
	set := &settings{rate: 100, workers: 2, heartbeat: time.Second, rounds: 1}
	p := newProgram(set, out, slog.New(slog.DiscardHandler))
	p.calm, p.down = 200*time.Millisecond, time.Second
	return p
}

// A node that is killed, and one that hangs.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	out := &output{}
	p := short(out)
	require.NoError(t, breakNodes(t.Context(), p, []fault{faults[0], faults[5]}))
	require.NoError(t, p.report.print(out, p.service.cutShort))

	require.Regexp(t, `(?s)starting three nodes
.* consuming on node 1
.* kill -9, leader and clients: node 1
.* publishing on node 2
.* node 1 comes back
.* SIGSTOP, leader: node \d
.* comes back

FAULT +TIMES +GAP PUBLISHING +GAP CONSUMING +AGAIN +LOST
kill -9, leader and clients +1 +\d+\.\d\d s +\d+\.\d\d s +\d+ +0
SIGSTOP, leader +1 +\d+\.\d\d s +\d+\.\d\d s +\d+ +0

failover: sent=(\d+) confirmed=\d+ processed=\d+ again=\d+ left=0 lost=0
$`, out.String())
	b := p.service.stream.books.Books()
	require.Equal(t, b.Sent, b.Confirmed, "each one, in the end")
	require.Equal(t, b.Sent, b.Processed)
	require.Less(t, p.report.rows[0].publish, 15*time.Second, "it takes one second, and longer on a busy machine")
	require.Greater(t, p.report.rows[1].publish, 3*time.Second, "nobody can lead before net_ticktime is over")
}

func TestAnInterruptLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	var interrupted time.Time
	out := &output{on: map[string]func(){"SIGSTOP": func() { interrupted = time.Now(); interrupt() }}}
	p := short(out)
	require.NoError(t, breakNodes(ctx, p, faults[4:]))
	require.Less(t, time.Since(interrupted), 15*time.Second)
	require.NoError(t, p.report.print(out, p.service.cutShort))
	require.Contains(t, out.String(), "\nSIGSTOP, leader and clients ")
	require.Contains(t, out.String(), " lost=0\n")
	for address := range p.screen.names {
		_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		require.Error(t, err)
	}
}

func TestNodesOfSomebodyElseAreOnlyLookedAt(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &output{on: map[string]func(){
		"break your nodes": func() { node.CloseConnections(t, "maintenance") },
		"calm again":       interrupt,
	}}
	require.NoError(t, run(ctx, []string{"-urls", node.URL() + ";" + node.URL(), "-for", "1m"}, out, io.Discard))
	require.Regexp(t, `\n(publishing|consuming) lost 127\.0\.0\.1:\d+, (publishing|consuming) lost .* 0\n`, out.String())
	require.Regexp(t, `\nfailover: sent=\d\d+ .* left=0 lost=0\n$`, out.String())
}

func TestALossIsAnError(t *testing.T) {
	t.Parallel()
	r := &report{books: ledger.New()}
	r.begin("one")
	r.books.Answer(r.books.Send(), nil)
	r.end(1)
	r.begin("two")
	r.books.Answer(r.books.Send(), nil)
	r.end(2)
	r.begin("one")
	r.books.Answer(r.books.Send(), nil)

	var out strings.Builder
	require.ErrorContains(t, r.print(&out, true), "2 confirmed messages are lost", "whoever was interrupted knows no more")
	require.Contains(t, out.String(), " left=1 lost=2\n")
	out.Reset()
	require.ErrorContains(t, r.print(&out, false), "3 confirmed messages are lost")
	require.Regexp(t, `\none +2 .* 1\ntwo +1 .* 1\n`, out.String())
}

func TestAtATerminalTheLastLineIsRewritten(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := newScreen(&out)
	require.False(t, s.terminal)
	s.status("first")
	s.status("second")
	s.eventf("news")
	s.status("")
	got := out.String()
	require.Equal(t, 3, strings.Count(got, "\r\x1b[K"))
	require.Contains(t, got, "s  news\n\x1b[?7lsecond\x1b[?7h")
	require.True(t, strings.HasSuffix(got, "\r\x1b[K"))
}

func TestWrongInput(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"-rate":       {"-rate", "0"},
		"-workers":    {"-workers", "0"},
		"not defined": {"-wrong"},
		"heartbeat":   {"-urls", "amqp://localhost", "-heartbeat", "1ms"},
		"amqp":        {"-urls", "http://guest:hunter2@localhost/"},
	} {
		err := run(t.Context(), args, io.Discard, io.Discard)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
