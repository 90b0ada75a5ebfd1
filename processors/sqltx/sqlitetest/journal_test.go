package sqlitetest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// journal is a queue that outlives its process: a file with the number of each acked message. All
// others are delivered again to the next process.
type journal struct {
	file      *os.File
	beforeAck func()

	mu   sync.Mutex
	left []uint64
}

var (
	_ broker.Source       = (*journal)(nil)
	_ broker.Subscription = (*journal)(nil)
	_ broker.Acknowledger = (*journal)(nil)
)

func openJournal(dir string, beforeAck func()) (*journal, error) {
	acked, err := readJournal(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "acked"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	j := &journal{file: file, beforeAck: beforeAck}
	for n := uint64(1); n <= crashMessages; n++ {
		if !acked[n] {
			j.left = append(j.left, n)
		}
	}
	return j, err
}

// readJournal returns which messages were acked.
func readJournal(dir string) (map[uint64]bool, error) {
	acked := map[uint64]bool{}
	file, err := os.Open(filepath.Join(dir, "acked"))
	if errors.Is(err, os.ErrNotExist) {
		return acked, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil || acked[n] {
			return nil, fmt.Errorf("line %q: acked before: %t, %w", lines.Text(), acked[n], err)
		}
		acked[n] = true
	}
	return acked, lines.Err()
}

func (j *journal) Subscribe(context.Context, broker.SubscribeOptions) (broker.Subscription, error) {
	return j, nil
}

func (j *journal) Receive(context.Context) (*broker.Delivery, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.left) == 0 {
		return nil, io.EOF
	}
	n := j.left[0]
	j.left = j.left[1:]
	e := processor.Envelope{Properties: processor.Properties{ID: strconv.FormatUint(n, 10)}}
	return broker.NewDelivery(e, processor.Origin{Queue: "journal"}, j, n), nil
}

func (*journal) Pause() <-chan struct{}      { return nil }
func (*journal) Resume()                     {}
func (*journal) Close(context.Context) error { return nil }

func (j *journal) Ack(n uint64) error {
	j.beforeAck()
	_, err := fmt.Fprintf(j.file, "%d\n", n)
	return err
}

func (*journal) Nack(uint64, bool) error { panic("nothing fails here") }
func (*journal) Release(uint64) error    { panic("nothing is given back here") }
