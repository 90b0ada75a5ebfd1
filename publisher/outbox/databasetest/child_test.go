package databasetest_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/outbox"
)

// childTask is the environment variable with the task of a child.
const childTask = "OUTBOX_TEST_CHILD"

// killed is the exit code of a child that ends at the named point.
const killed = 3

// task is what a child process does, and where it dies: as if it was killed, nothing is closed.
type task struct {
	Kind, DSN, URL string
	To             processor.Destination
	Write          string // the text of a message that it writes; it relays if there is none
	Die            string // "inserted", "committed", "claimed", "confirmed"; never if it is ""
}

func child(encoded string) int {
	var c task
	if err := json.Unmarshal([]byte(encoded), &c); err != nil { //nolint:musttag // written by the same type
		panic(err)
	}
	db, err := sql.Open(kinds[c.Kind].driver, c.DSN)
	if err == nil && c.Write != "" {
		err = c.write(db)
	} else if err == nil {
		err = c.relay(db)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// at ends the process if it is to die here.
func (c *task) at(point string) {
	if c.Die == point {
		os.Exit(killed)
	}
}

func (c *task) write(db *sql.DB) error {
	p, err := outbox.New(kinds[c.Kind].dialect)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	if err := p.Publish(outbox.In(context.Background(), tx), c.To, processor.Envelope{Body: []byte(c.Write)}); err != nil {
		return err
	}
	c.at("inserted")
	if err := tx.Commit(); err != nil {
		return err
	}
	c.at("committed")
	return nil
}

func (c *task) relay(db *sql.DB) error {
	b, err := rabbitmq.Open(context.Background(), []string{c.URL})
	if err != nil {
		return err
	}
	r, err := outbox.NewRelay(db, kinds[c.Kind].dialect, &mortal{b.Publisher(), c}, outbox.Lease(time.Second), outbox.Poll(20*time.Millisecond))
	if err != nil {
		return err
	}
	fmt.Println("begun") //nolint:forbidigo // the parent waits for it
	return r.Run(context.Background())
}

// mortal is the relay's publisher.
type mortal struct {
	processor.Publisher

	task *task
}

func (m *mortal) PublishBatch(ctx context.Context, to processor.Destination, batch []processor.Envelope) []error {
	m.task.at("claimed")
	errs := processor.PublishBatch(ctx, m.Publisher, to, batch)
	m.task.at("confirmed")
	return errs
}

// start starts a child.
func (c task) start(t *testing.T) *exec.Cmd {
	t.Helper()
	encoded, err := json.Marshal(c) //nolint:musttag // read by the same type
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+string(encoded))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	if c.Write == "" {
		require.True(t, bufio.NewScanner(out).Scan(), "it has begun")
	}
	return cmd
}

// run runs a child until it dies at its point.
func (c task) run(t *testing.T) {
	t.Helper()
	cmd := c.start(t)
	_ = cmd.Wait()
	require.Equal(t, killed, cmd.ProcessState.ExitCode())
}

// relays are relays in processes of their own, one of which is killed again and again.
func (c task) relays(t *testing.T) (end func()) {
	t.Helper()
	stays := c.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var killing sync.WaitGroup
	killing.Go(func() {
		for ctx.Err() == nil {
			dies := c.start(t) //nolint:contextcheck // ends with the test
			select {
			case <-time.After(400 * time.Millisecond):
			case <-ctx.Done():
			}
			_ = dies.Process.Kill()
			_ = dies.Wait()
		}
	})
	return func() {
		cancel()
		killing.Wait()
		_ = stays.Process.Kill()
		_ = stays.Wait()
	}
}
