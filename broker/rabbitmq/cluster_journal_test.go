package rabbitmq_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"

	"github.com/gowarren/warren/broker/rabbitmq"
)

// journal is a broker's log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// tail is how much of its end is shown.
const tail = 32 << 10

// String returns the end of the journal.
func (j *journal) String() string {
	text := j.all()
	return text[max(0, len(text)-tail):]
}

func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// count returns how often the journal has a text.
func (j *journal) count(text string) int { return strings.Count(j.all(), text) }

func (j *journal) option() rabbitmq.Option {
	return rabbitmq.Logger(slog.New(slog.NewTextHandler(j, nil)))
}
