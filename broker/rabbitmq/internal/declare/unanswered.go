package declare

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
)

// unanswered are the questions about queues that the broker has not answered in time. Each holds a
// channel: the broker neither answers the question nor closes the channel until the queue is back
// or 78 s are over, and only then is the channel's number free. So no other question is asked about
// the queue before that.
type unanswered struct {
	mu     sync.Mutex
	queues map[string][]*question
	// answered holds a value after a late answer.
	answered chan struct{}
}

func newUnanswered() *unanswered {
	return &unanswered{queues: map[string][]*question{}, answered: make(chan struct{}, 1)}
}

// question is one declare of one queue.
type question struct {
	asked time.Time
	done  chan struct{} // closed when it is answered, or its channel is gone
	over  bool          // the same, under the mutex
}

func newQuestion() *question { return &question{asked: time.Now(), done: make(chan struct{})} }

// add keeps a question whose caller has stopped waiting.
func (u *unanswered) add(queue string, q *question) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !q.over {
		u.queues[queue] = append(u.queues[queue], q)
	}
}

// finish is called once for each question, when it is answered or its channel is gone.
func (u *unanswered) finish(queue string, q *question) {
	u.mu.Lock()
	defer u.mu.Unlock()
	q.over = true
	close(q.done)
	i := slices.Index(u.queues[queue], q)
	if i < 0 {
		return
	}
	u.queues[queue] = slices.Delete(u.queues[queue], i, i+1)
	if len(u.queues[queue]) == 0 {
		delete(u.queues, queue)
	}
	select {
	case u.answered <- struct{}{}:
	default:
	}
}

// wait returns nil when no question about the queue is open. It waits for the oldest until the
// broker has had limit to answer it.
func (u *unanswered) wait(ctx context.Context, queue string, limit time.Duration) error {
	for {
		u.mu.Lock()
		open := u.queues[queue]
		if len(open) == 0 {
			u.mu.Unlock()
			return nil
		}
		oldest := open[0]
		u.mu.Unlock()
		timer := time.NewTimer(time.Until(oldest.asked.Add(limit)))
		select {
		case <-oldest.done:
			timer.Stop()
		case <-timer.C:
			return reply.ErrNoAnswer
		case <-ctx.Done():
			timer.Stop()
			return life.Ended(ctx)
		}
	}
}
