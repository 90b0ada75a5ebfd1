package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
)

// DefaultTimeout is how long a call waits at most.
const DefaultTimeout = 30 * time.Second

// Line sends requests and receives their replies. Its methods may be called by many goroutines at once, but
// Receive by one.
type Line interface {
	// Publisher waits until replies can be received, and returns a publisher that sends requests and sets their
	// reply-to. The context of each publish ends when its reply is not waited for any more.
	Publisher(ctx context.Context) (processor.Publisher, error)
	// Receive waits for the next reply, which is settled already. After an error that is not ctx's, replies to
	// requests that were sent before may be lost, those that a [LostReplies] names or all; it may be called again.
	Receive(ctx context.Context) (processor.Message, error)
	// Close frees the resources of the line. It may be called twice, also concurrently.
	Close(ctx context.Context) error
}

// ErrRepliesLost is the error of calls whose replies may have been lost with the queue, or the channel, that
// they were to come by.
var ErrRepliesLost = errors.New("the replies are lost")

// LostReplies is an error of a [Line]'s Receive that concerns the replies to some requests alone.
type LostReplies interface {
	error
	// Requests returns their correlation ids.
	Requests() []string
}

// Option changes a client.
type Option func(*config)

type config struct {
	timeout time.Duration
	log     *slog.Logger
}

// Timeout sets how long a call waits at most. A deadline of its context that is earlier counts. Default: 30 seconds.
func Timeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// Logger sets where the client reports that replies are lost. Default and nil: slog.Default().
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// Client calls services. It may be used by many goroutines at once.
type Client struct {
	config
	line     Line
	protocol remote.Client

	prefix string // of correlation ids, so that no other client has the same
	count  atomic.Uint64
	late   atomic.Uint64

	life context.Context //nolint:containedctx // ends with Close
	end  context.CancelFunc
	done chan struct{} // closed when the goroutine that receives has returned

	mu      sync.Mutex
	pending map[string]*call
	losses  uint64 // how often the replies of pending calls were lost
	over    error  // why no call can begin any more
}

// call waits for its reply. It is guarded by the client's mutex while it is pending.
type call struct {
	stop  context.CancelCauseFunc // ends its wait, and its publish, when one of the others is set
	reply processor.Message
	err   error
}

// errEnded is why the publish of a call is left that has its reply, or can have none.
var errEnded = errors.New("the call has ended")

// New returns a client that sends requests by line, which it owns, in the words of protocol. It
// runs a goroutine until it is closed. It returns an error if one of them is nil or cannot work
// ([processor.Check]).
func New(line Line, protocol remote.Client, opts ...Option) (*Client, error) {
	c := config{timeout: DefaultTimeout}
	if err := option.Apply("rpc", &c, opts); err != nil {
		return nil, err
	}
	if err := errors.Join(check("line", line), check("protocol", protocol), option.Positive("rpc: Timeout", c.timeout)); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	client := &Client{
		config: c, line: line, protocol: protocol, prefix: rand.Text(),
		life: ctx, end: end, done: make(chan struct{}), pending: map[string]*call{},
	}
	go client.receive(ctx)
	return client, nil
}

func check(what string, v any) error {
	if v == nil {
		return fmt.Errorf("rpc: the %s is nil", what)
	}
	if err := processor.Check(v); err != nil {
		return fmt.Errorf("rpc: the %s cannot work: %w", what, err)
	}
	return nil
}

// Stats are the calls of a client so far.
type Stats struct {
	// Calls were begun, and Pending of them have not ended.
	Calls, Pending uint64
	// Late replies came for no pending call: it had ended, was answered twice, or was not this client's.
	Late uint64
}

// Stats returns the calls so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Calls: c.count.Load(), Pending: uint64(len(c.pending)), Late: c.late.Load()}
}

// Close ends the pending calls with [processor.ErrClosed], and frees the line. It works twice, and returns when ctx
// ends; the line is freed in the background then.
func (c *Client) Close(ctx context.Context) error {
	c.fail(processor.ErrClosed, true)
	c.end()
	select {
	case <-c.done:
		return c.line.Close(ctx)
	case <-ctx.Done():
		go func() {
			<-c.done
			_ = c.line.Close(context.WithoutCancel(ctx)) // nobody waits for it
		}()
		return fmt.Errorf("rpc: close: %w", ended(ctx))
	}
}

// begin registers waiting under a new correlation id, and returns where to send its request. If replies are lost
// meanwhile it begins again: that to a request on the lost line would not come, and nobody would be told.
func (c *Client) begin(ctx context.Context, waiting *call) (line processor.Publisher, id string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.life, func() { cancel(processor.ErrClosed) })() //nolint:contextcheck // a closed client waits for no line
	for id == "" && err == nil {
		losses := c.lost()
		if line, err = c.line.Publisher(ctx); err != nil {
			return nil, "", errors.Join(err, c.closed())
		}
		id, err = c.register(waiting, losses)
	}
	return line, id, err
}

func (c *Client) lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.losses
}

// register returns no id if replies were lost again.
func (c *Client) register(waiting *call, losses uint64) (id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil || c.losses != losses {
		return "", c.over
	}
	id = c.prefix + "-" + strconv.FormatUint(c.count.Add(1), 36)
	c.pending[id] = waiting
	return id, nil
}

// closed returns why no call can begin any more, nil if one can.
func (c *Client) closed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// forget ends a call for which nobody waits any more.
func (c *Client) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

// finish ends a pending call. It returns false if there is none. The caller holds mu.
func (c *Client) finish(id string, reply processor.Message, err error) bool {
	waiting := c.pending[id]
	if waiting == nil {
		return false
	}
	delete(c.pending, id)
	waiting.reply, waiting.err = reply, err
	waiting.stop(errEnded)
	return true
}

// fail ends all pending calls, and with forGood all later ones.
func (c *Client) fail(err error, forGood bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses++
	for id := range c.pending {
		c.finish(id, nil, err)
	}
	if forGood && c.over == nil {
		c.over = fmt.Errorf("rpc: the client is %w", err)
	}
}

// The waits after the replies were lost.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// receive gives replies to the calls that wait for them, until ctx ends.
func (c *Client) receive(ctx context.Context) {
	defer close(c.done)
	for failures := 0; ctx.Err() == nil; {
		reply, err := c.line.Receive(ctx)
		switch {
		case err == nil:
			failures = 0
			c.answer(reply)
			continue
		case ctx.Err() != nil:
			return
		}
		logattr.Or(c.log).LogAttrs(ctx, slog.LevelWarn, "the replies of pending calls are lost", logattr.Err(err))
		if c.lose(err) {
			continue // the line goes on
		}
		failures++
		pacing.Sleep(ctx, pacing.Jitter(pacing.Doubling(firstPause, lastPause, failures)))
	}
}

// lose ends the calls whose replies are lost: some, and then it returns true, or all.
func (c *Client) lose(err error) (some bool) {
	failure := fmt.Errorf("rpc: %w: %w", ErrRepliesLost, err)
	var named LostReplies
	if !errors.As(err, &named) {
		c.fail(failure, false)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range named.Requests() {
		c.finish(id, nil, failure)
	}
	return true
}

func (c *Client) answer(reply processor.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finish(reply.Properties().CorrelationID, reply, nil) {
		c.late.Add(1)
	}
}
