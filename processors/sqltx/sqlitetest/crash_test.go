package sqlitetest_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/sqltx"
)

const (
	crashMessages = 300
	crashRounds   = 4 // of each kind
	crashWorkers  = 2
)

// Environment variables for a child.
const (
	childDir    = "SQLTX_TEST_DIR"     // where the database and the journal are
	childInbox  = "SQLTX_TEST_INBOX"   // whether there is an inbox
	childKillAt = "SQLTX_TEST_KILL_AT" // the number of the ack that it dies before; 0 for none
)

// child consumes the rest of the journal.
func child(dir string) int {
	if err := consumeJournal(dir, os.Getenv(childInbox) == "true"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func consumeJournal(dir string, inbox bool) error {
	killAt, err := strconv.ParseInt(os.Getenv(childKillAt), 10, 64)
	if err != nil {
		return err
	}
	var acks atomic.Int64
	j, err := openJournal(dir, func() {
		// For later acks too: the other worker goes on until the signal arrives.
		if acks.Add(1) >= killAt && killAt > 0 {
			kill()
		}
	})
	if err != nil {
		return err
	}
	db, err := connect(filepath.Join(dir, "test.db"), "20000")
	if err != nil {
		return err
	}
	var opts []sqltx.Option
	if inbox {
		opts = append(opts, sqltx.Inbox(sqltx.SQLiteInbox))
	}
	p, err := stack.New(ack.New(), sqltx.New(db, opts...)).ThenFunc(write)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString("begun\n"); err != nil {
		return err
	}
	return must.Have(consumer.New(j, p, consumer.Workers(crashWorkers))).Run(context.Background())
}

// kill ends this process as kill -9 does, and does not return.
func kill() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// The inbox is for a process that dies between the commit and the ack.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, inbox := range []bool{true, false} {
		t.Run(fmt.Sprintf("inbox=%t", inbox), func(t *testing.T) {
			t.Parallel()
			db, path := newDB(t)
			dir := filepath.Dir(path)
			for range crashRounds {
				require.False(t, runChild(t, dir, inbox, 1+rand.IntN(10), 0), "it dies before an ack")
				requireLettersForAcks(t, dir, path)
			}
			for range crashRounds {
				runChild(t, dir, inbox, 0, 1+rand.N(5*time.Millisecond)) // it may be faster
				requireLettersForAcks(t, dir, path)
			}
			require.True(t, runChild(t, dir, inbox, 0, 0))
			require.Equal(t, crashMessages, requireLettersForAcks(t, dir, path))

			letters := count(t, db, "letters")
			if inbox {
				require.Equal(t, crashMessages, letters, "each once")
			} else {
				require.GreaterOrEqual(t, letters, crashMessages+crashRounds, "one more for each ack that was not sent")
			}
		})
	}
}

// runChild consumes in a process that dies before its ack of that number, or is killed after
// that time, or ends by itself, which it reports.
func runChild(t *testing.T, dir string, inbox bool, killAt int, killAfter time.Duration) (ended bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir,
		childInbox+"="+strconv.FormatBool(inbox), childKillAt+"="+strconv.Itoa(killAt))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.True(t, bufio.NewScanner(out).Scan(), "it has begun")
	if killAfter > 0 {
		defer time.AfterFunc(killAfter, func() { _ = cmd.Process.Kill() }).Stop()
	}
	err = cmd.Wait()
	require.NotEqual(t, 1, cmd.ProcessState.ExitCode(), "it has failed")
	return err == nil
}

// requireLettersForAcks fails if a message was acked whose letter is not there. It returns
// how many were acked.
func requireLettersForAcks(t *testing.T, dir, path string) int {
	t.Helper()
	acked, err := readJournal(dir)
	require.NoError(t, err)
	db, err := connect(path, "20000")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for n := range acked {
		require.Positive(t, count(t, db, fmt.Sprintf("letters WHERE id = '%d'", n)), "letter %d", n)
	}
	return len(acked)
}
