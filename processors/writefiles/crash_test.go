package writefiles_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/writefiles"
)

// childTask is the environment variable with the task of a child.
const childTask = "WRITEFILES_TEST_CHILD"

// task is what a child does: it writes messages, four at a time, and prints the number of each when it may be acked.
type task struct {
	Directory string
	Pattern   string
	Numbers   []int
	Die       int // it kills itself before that operation; 0 is never
}

func child(encoded string) int {
	var c task
	if err := json.Unmarshal([]byte(encoded), &c); err != nil { //nolint:musttag // written by the same type
		panic(err)
	}
	var operations atomic.Int64
	h := writefiles.Handler(c.Directory, writefiles.Pattern(c.Pattern), writefiles.Step(func(string, string) error {
		if operations.Add(1) == int64(c.Die) {
			_ = must.Have(os.FindProcess(os.Getpid())).Kill()
			select {}
		}
		return nil
	}))
	numbers := make(chan int, len(c.Numbers))
	for _, n := range c.Numbers {
		numbers <- n
	}
	close(numbers)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := range numbers {
				if err := h.Process(context.Background(), again("key", strconv.Itoa(n), body(n))); err != nil {
					panic(err)
				}
				_, _ = fmt.Fprintln(os.Stdout, n)
			}
		})
	}
	workers.Wait()
	return 0
}

// body is that of message n: long enough to be written in two pieces.
func body(n int) string { return strings.Repeat(strconv.Itoa(n)+" ", 2000) }

// run runs a child, kills it when it has printed that many lines (never if it is 0), and returns what it has printed.
func (c task) run(t *testing.T, lines int) (acked []int, killed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childTask+"="+string(must.Have(json.Marshal(c)))) //nolint:musttag // read by the same type
	cmd.Stderr = os.Stderr
	stdout := must.Have(cmd.StdoutPipe())
	require.NoError(t, cmd.Start())
	for lined := bufio.NewScanner(stdout); lined.Scan(); {
		acked = append(acked, must.Have(strconv.Atoi(lined.Text())))
		if len(acked) == lines {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	err := cmd.Wait()
	killed = cmd.ProcessState.ExitCode() == -1
	require.Equal(t, killed, err != nil, err)
	return acked, killed
}

// clean starts a handler that takes everything for old, and requires that only whole pairs are left.
func clean(t *testing.T, directory, pattern string) {
	t.Helper()
	then := time.Now().Add(-2 * time.Hour)
	for _, name := range list(t, directory) {
		require.NoError(t, os.Chtimes(filepath.Join(directory, name), then, then))
	}
	require.NoError(t, start(handler(t, directory, writefiles.Pattern(pattern))))
	files, names := read(t, directory), list(t, directory)
	require.Len(t, names, 2*len(files), names)
	for _, name := range names {
		require.NotEqual(t, '.', filepath.Base(name)[0])
	}
}

// The process is killed before each operation in turn.
func TestNothingIsLostOrHalfWrittenWhereverTheProcessDies(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"{routing_key}/x/${msgid}-${unique}", "{msgid}"} {
		killed, died := true, 0
		for n := 1; killed; n++ {
			directory := inMemory(t)
			c := task{Directory: directory, Pattern: pattern, Numbers: []int{1}, Die: n}
			var acked []int
			if acked, killed = c.run(t, 0); killed {
				died++
			}
			require.Equal(t, killed, len(acked) == 0)
			require.LessOrEqual(t, len(read(t, directory)), 1, "whole, or not visible")

			c.Die = 0
			acked, _ = c.run(t, 0)
			require.Equal(t, []int{1}, acked)
			clean(t, directory, pattern)
			files := read(t, directory)
			require.Len(t, files, 1, "died %d", n)
			require.Equal(t, body(1), string(files[0].Body))
		}
		require.GreaterOrEqual(t, died, 12)
	}
}

// Whatever is printed could have been acked.
func TestKilledAgainAndAgainEachMessageIsWrittenOnce(t *testing.T) {
	t.Parallel()
	directory, pattern := inMemory(t), "{routing_key}/${unique}"
	var left []int
	for n := range 200 {
		left = append(left, n)
	}
	acked := map[int]bool{}
	for round := 0; len(left) > 0; round++ {
		lines := 1 + rand.IntN(12)
		if round == 12 {
			lines = 0
		}
		written, killed := task{Directory: directory, Pattern: pattern, Numbers: left}.run(t, lines)
		require.True(t, killed || len(written) == len(left))
		for _, n := range written {
			require.False(t, acked[n])
			acked[n] = true
		}
		left = left[:0]
		for n := range 200 {
			if !acked[n] {
				left = append(left, n)
			}
		}
		read(t, directory)
	}
	clean(t, directory, pattern)
	bodies := map[string]bool{}
	for _, f := range read(t, directory) {
		require.False(t, bodies[string(f.Body)], "once")
		bodies[string(f.Body)] = true
	}
	require.Len(t, bodies, 200)
}

func TestOnlyOldLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	at := func(name string, age time.Duration) string {
		path := filepath.Join(directory, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, then, then))
		return path
	}
	const token = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	stay := []string{
		at("in/d/.warren-"+token+".body", 50*time.Minute), // of a process that works
		at("in/d/.warren-x.body", 2*time.Hour),            // not ours, and so are these
		at("in/d/.warren-"+token+".body.txt", 2*time.Hour),
		at("in/d/.hidden", 2*time.Hour),
		at("in/d/orphan"+headersfile.Suffix, 2*time.Hour),
		at(".warren-"+token+".body", 2*time.Hour), // where this pattern has no files
		at("in/d/e/.warren-"+token+".body", 2*time.Hour),
		at("out/d/.warren-"+token+".body", 2*time.Hour),
	}
	at("in/a/.warren-"+token+".body", 2*time.Hour)
	at("in/a/.warren-"+token+".headers", 2*time.Hour)
	// The headers of b have appeared, and the body has not. Of c both have, and the body was taken away.
	half := at("in/b/.warren-"+token+".headers", 2*time.Hour)
	at("in/b/.warren-"+token+".body", 2*time.Hour)
	require.NoError(t, os.Link(half, filepath.Join(directory, "in/b/x"+headersfile.Suffix)))
	whole := at("in/c/.warren-"+token+".headers", 2*time.Hour)
	require.NoError(t, os.Link(whole, filepath.Join(directory, "in/c/x"+headersfile.Suffix)))
	taken := at("in/c/.warren-"+token+".body", 2*time.Hour)
	require.NoError(t, os.Link(taken, filepath.Join(directory, "elsewhere")))
	stay = append(stay, filepath.Join(directory, "in/c/x"+headersfile.Suffix), filepath.Join(directory, "elsewhere"))

	require.NoError(t, start(handler(t, directory, writefiles.Pattern("in/{routing_key}/{unique}"))))
	for i, path := range stay {
		stay[i] = must.Have(filepath.Rel(directory, path))
	}
	require.ElementsMatch(t, stay, list(t, directory))
}

// One directory that cannot be read, as lost+found, ended it.
func TestADirectoryThatCannotBeReadKeepsNoOtherFromBeingCleaned(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	then := time.Now().Add(-2 * time.Hour)
	const token = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var stay []string
	for _, name := range []string{"a/d", "b/d", "b/lost+found", "c/d", "lost+found/d", "z/d"} {
		path := filepath.Join(directory, name, ".warren-"+token+".body")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, then, then))
		if strings.Contains(name, "lost+found") {
			stay = append(stay, must.Have(filepath.Rel(directory, path)))
		}
	}
	var log bytes.Buffer
	f := &fault{operation: "read directory", suffix: "lost+found", err: syscall.EACCES}
	f.on.Store(true)
	pattern := writefiles.Pattern("${routing_key}/${date}/${unique}")
	h := handler(t, directory, pattern, writefiles.Step(f.step), writefiles.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, start(h))
	require.ElementsMatch(t, stay, list(t, directory))
	require.Equal(t, 1, strings.Count(log.String(), "leftover files were not removed"))
	require.Contains(t, log.String(), "lost+found: permission denied (and 1 more)")
}

func TestTheEndOfTheStartEndsTheRemovalOfLeftovers(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for i := range 10 {
		require.NoError(t, os.Mkdir(filepath.Join(directory, strconv.Itoa(i)), 0o700))
	}
	ctx, cancel := context.WithCancel(t.Context())
	read := 0
	h := handler(t, directory, writefiles.Pattern("${routing_key}/${unique}"), writefiles.Step(func(operation, _ string) error {
		if operation == "read directory" {
			read++
			cancel()
		}
		return nil
	}))
	s, _ := h.(stack.Starter)
	require.NoError(t, s.Start(ctx))
	require.Equal(t, 1, read)
}
