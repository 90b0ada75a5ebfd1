package readfiles_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

// childTask is the environment variable with the task of a child.
const childTask = "READFILES_TEST_CHILD"

// task is what a child does: it reads a directory, and publishes into a journal.
type task struct {
	Directory string
	Journal   string
	Die       string // the point at which it kills itself; "" is none
}

// entry is a message in a journal.
type entry struct{ Body, ID, Name string }

// journal is a publisher that many processes share: each message is one write, which is confirmed when it is done.
type journal struct{ file *os.File }

func openJournal(name string) (journal, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return journal{f}, err
}

func (j journal) Publish(_ context.Context, _ processor.Destination, e processor.Envelope) error {
	name, _ := e.Headers.String(readfiles.HeaderFilename)
	line := must.Have(json.Marshal(entry{string(e.Body), e.ID, name})) //nolint:musttag // read by the same type
	_, err := j.file.Write(append(line, '\n'))
	return err
}

// read returns the ids of each body.
func (task) read(t *testing.T, name string) map[string][]string {
	t.Helper()
	ids := map[string][]string{}
	for line := range bytes.Lines(must.Have(os.ReadFile(name))) {
		var e entry
		require.NoError(t, json.Unmarshal(line, &e)) //nolint:musttag // written by the same type
		ids[e.Body] = append(ids[e.Body], e.ID)
	}
	return ids
}

func child(encoded string) int {
	var c task
	if err := json.Unmarshal([]byte(encoded), &c); err != nil { //nolint:musttag // written by the same type
		panic(err)
	}
	j := must.Have(openJournal(c.Journal))
	r := must.Have(readfiles.New(c.Directory, j, to, fast(readfiles.Step(func(point string) {
		if point == c.Die {
			_ = must.Have(os.FindProcess(os.Getpid())).Kill()
			select {}
		}
	}), readfiles.OnFile(func(e readfiles.Event) { _, _ = fmt.Fprintln(os.Stdout, e.Result) }))...))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
		cancel()
	}()
	if err := r.Run(ctx); err != nil {
		panic(err)
	}
	return 0
}

// start starts a child, and returns its output and what ends it: kill, or orderly.
func (c task) start(t *testing.T) (lines *bufio.Scanner, kill, end func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childTask+"="+string(must.Have(json.Marshal(c)))) //nolint:musttag // read by the same type
	cmd.Stderr = os.Stderr
	stdin, stdout := must.Have(cmd.StdinPipe()), must.Have(cmd.StdoutPipe())
	require.NoError(t, cmd.Start())
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have killed itself
		require.Error(t, cmd.Wait())
	})
	end = func() {
		require.NoError(t, stdin.Close())
		_, _ = io.Copy(io.Discard, stdout)
		require.NoError(t, cmd.Wait())
	}
	return bufio.NewScanner(stdout), kill, end
}

func TestNothingIsLostWhereverTheProcessDies(t *testing.T) {
	t.Parallel()
	for point, copies := range map[string]int{"read": 1, "confirmed": 2, "body moved": 1, "moved": 1} {
		for _, paired := range []bool{false, true} {
			d := newMaildir(t)
			if paired {
				e := processor.Envelope{Body: []byte("a"), Properties: processor.Properties{ID: "its own"}}
				d.putContent(t, "a"+headersfile.Suffix, string(must.Have(headersfile.Write(to, e))))
				then := time.Now().Add(-2 * time.Minute)
				require.NoError(t, os.Chtimes(d.path("new/a"+headersfile.Suffix), then, then))
			}
			d.put(t, "a")
			c := task{Directory: string(d), Journal: d.path("journal"), Die: point}
			lines, kill, _ := c.start(t)
			require.False(t, lines.Scan(), "it dies before it has told anything")
			kill()

			c.Die = ""
			_, _, end := c.start(t)
			eventually(t, func() bool { return len(d.list(t, "new")) == 0 }, "%s %t", point, paired)
			end()
			ids := c.read(t, c.Journal)["a"]
			require.Len(t, ids, copies, point)
			require.Equal(t, ids[0], ids[copies-1])
			require.Equal(t, paired, ids[0] == "its own")
			want := []string{"a"}
			if paired {
				want = append(want, "a"+headersfile.Suffix)
			}
			require.Equal(t, want, d.list(t, "cur"), point)
			require.Empty(t, d.list(t, "failed"))
		}
	}
}

func TestTwoReadersPublishEachFileOnce(t *testing.T) {
	t.Parallel()
	const files = 2000
	d := newMaildir(t)
	for i := range files {
		d.put(t, fmt.Sprint(i))
	}
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: to.RoutingKey}}}))
	first, second := d.read(t, b.Publisher(), fast()...), d.read(t, b.Publisher(), fast()...)
	eventually(t, func() bool { return first.Stats().Published+second.Stats().Published >= files })
	first.stop()
	second.stop()
	require.Equal(t, files, must.Have(b.Ready(t.Context(), to.RoutingKey)))
	require.Len(t, d.list(t, "cur"), files)
	require.Positive(t, first.Stats().Published)
	require.Positive(t, second.Stats().Published)
}

// Two processes read; one of them is killed at random points of its work, again and again. Only what was in flight then
// is published twice, with the same id.
func TestAKilledReadersFilesAreTakenByTheOther(t *testing.T) {
	t.Parallel()
	const files = 2000
	d := newMaildir(t)
	for i := range files {
		d.put(t, fmt.Sprint(i))
	}
	c := task{Directory: string(d), Journal: d.path("journal")}
	_, _, end := c.start(t)
	kills := 0
	for len(d.list(t, "new")) > 0 && kills < 15 {
		lines, kill, _ := c.start(t)
		over := time.AfterFunc(2*time.Second, kill) // the other may have had all
		for range 1 + rand.IntN(60) {
			if !lines.Scan() {
				break
			}
		}
		over.Stop()
		kill()
		kills++
	}
	eventually(t, func() bool { return len(d.list(t, "new")) == 0 })
	end()
	ids := c.read(t, c.Journal)
	require.Len(t, ids, files)
	copies := 0
	for body, all := range ids {
		copies += len(all) - 1
		for _, id := range all {
			require.Equal(t, all[0], id, body)
		}
	}
	t.Logf("%d kills, %d files were published twice", kills, copies)
	require.Positive(t, kills)
	require.LessOrEqual(t, copies, kills*64)
	require.Len(t, d.list(t, "cur"), files)
	require.False(t, strings.HasPrefix(d.list(t, "cur")[0], "."))
}
