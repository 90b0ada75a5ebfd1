package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

var files = flag.Int("files", 2000, "how many `files` the test with kills sends; 100000 take some minutes")

// Each life of the bridge is ended by SIGKILL after a random number of files, until all are read and written.
func TestKilledAgainAndAgainEveryFileArrives(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sums := fill(t, folder, *files)
	node := rabbitmqtest.Start(t)
	file := filepath.Join(folder, "bridge.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(`
brokers: [amqp://localhost/]
workers: 16
read:
  - directory: FOLDER/in
    routing_key: kill.data
write:
  - queue: kill.data
    keys: [kill.data]
    directory: FOLDER/out
    pattern: ${routing_key}/${msgid}-${unique}.bin
`, "FOLDER", folder)), 0o600))

	b, err := rabbitmq.Open(t.Context(), []string{node.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	k := &killer{t: t, file: file, url: node.URL(), folder: folder, broker: b}
	start := time.Now()
	for k.work() > 0 {
		k.live(1 + rand.N(min(*files/4, 10_000)))
	}
	k.finish()
	a := account(t, filepath.Join(folder, "out"), sums)
	t.Logf("%d files in %v, %d kills: %d arrived, %d missing, %d copies, %d headers without a body, %d temporary files",
		*files, time.Since(start).Round(100*time.Millisecond), k.kills,
		a.arrived, len(sums)-a.arrived, a.copies, a.orphans, a.leftovers)
	require.GreaterOrEqual(t, k.kills, 3)
	require.Equal(t, *files, a.arrived)
	require.Zero(t, k.left(), "new is empty")
	moved, err := bodiesIn(filepath.Join(folder, "in", "cur"))
	require.NoError(t, err)
	require.Len(t, moved, *files)
	ready, err := b.Ready(t.Context(), "kill.data_parked")
	require.NoError(t, err)
	require.Zero(t, ready)
}

// fill makes n files of their own content, and returns their sums.
func fill(t *testing.T, folder string, n int) map[[sha256.Size]byte]int {
	t.Helper()
	for _, name := range []string{"in/new", "out"} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o750))
	}
	sums := map[[sha256.Size]byte]int{}
	for i := range n {
		body := append(fmt.Appendf(nil, "%d\n", i), bytes.Repeat([]byte{byte(i), byte(i >> 8)}, rand.N(1024))...)
		sums[sha256.Sum256(body)] = 0
		require.NoError(t, os.WriteFile(filepath.Join(folder, "in/new", fmt.Sprintf("file-%06d.bin", i)), body, 0o600))
	}
	require.Len(t, sums, n)
	return sums
}

// killer runs bridges, one after the other.
type killer struct {
	t                 *testing.T
	file, url, folder string
	broker            *rabbitmq.Broker
	kills             int
}

func (k *killer) left() int { return int(entries(filepath.Join(k.folder, "in/new"))) }

// work is what is to be done: two steps for each file that is to be read, and one for each message that is to
// be written.
func (k *killer) work() int {
	left := k.left()
	ready, err := k.broker.Ready(k.t.Context(), "kill.data")
	if left < *files { // else the queue may not be there
		require.NoError(k.t, err)
	}
	return 2*left + ready
}

// live runs a bridge and kills it after so many steps, or when there are no more.
func (k *killer) live(steps int) {
	k.t.Helper()
	before := k.work()
	p := k.start()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for work := before; work > 0 && before-work < steps; work = k.work() {
		select {
		case <-p.ended:
			require.FailNow(k.t, "the bridge has ended by itself", p.output.String())
		case <-tick.C:
		}
	}
	require.NoError(k.t, p.Process.Kill())
	<-p.ended
	k.kills++
}

// finish runs a bridge until all is written, and asks it to end. What was in flight then may have been given back.
func (k *killer) finish() {
	k.t.Helper()
	for done := false; !done; done = k.work() == 0 {
		p := k.start()
		consumes := func() bool { return strings.Contains(p.output.String(), "service is consuming") }
		require.Eventually(k.t, func() bool { return consumes() && k.work() == 0 }, 10*time.Minute, 100*time.Millisecond)
		require.NoError(k.t, p.Process.Signal(syscall.SIGTERM))
		require.NoError(k.t, <-p.ended, p.output.String())
	}
}

// process is a bridge.
type process struct {
	*exec.Cmd
	output output
	ended  chan error
}

// output is what a process has printed so far.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (k *killer) start() *process {
	k.t.Helper()
	p := &process{Cmd: exec.CommandContext(k.t.Context(), os.Args[0], "-config", k.file), ended: make(chan error, 1)}
	p.Env = []string{child + "=1", "WARREN_BROKERS=" + k.url, "PATH=" + os.Getenv("PATH")}
	p.Stderr = &p.output
	require.NoError(k.t, p.Start())
	go func() { p.ended <- p.Wait() }()
	return p
}

// accounts are what has become of the files.
type accounts struct{ arrived, copies, orphans, leftovers int }

// idOf is the message id in a headers file.
func idOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err, "a body has its headers beside it")
	var file struct {
		Message struct {
			ID string `json:"id"`
		} `json:"message"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Message.ID)
	return file.Message.ID
}

// account compares what was written with the sums of what was sent.
func account(t *testing.T, out string, sums map[[sha256.Size]byte]int) accounts {
	t.Helper()
	var a accounts
	bodies, headers := map[string]bool{}, map[string]bool{}
	ids := map[[sha256.Size]byte]string{}
	require.NoError(t, filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if strings.HasPrefix(e.Name(), ".") {
			a.leftovers++
			return nil
		}
		if body, is := strings.CutSuffix(path, headersSuffix); is {
			headers[body] = true
			return nil
		}
		bodies[path] = true
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		seen, sent := sums[sum]
		require.True(t, sent, "%s is none of the files that were sent, or a part of one", path)
		sums[sum]++
		id := idOf(t, path+headersSuffix)
		if seen > 0 {
			a.copies++
			require.Equal(t, ids[sum], id, "a copy has the id of the first, so that dedup can tell")
		}
		ids[sum] = id
		return nil
	}))
	for _, n := range sums {
		a.arrived += min(n, 1)
	}
	a.orphans = len(headers) - len(bodies)
	return a
}
