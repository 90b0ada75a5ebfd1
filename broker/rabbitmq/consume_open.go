package rabbitmq

import (
	"context"
	"sync"
)

// consumers are the consuming channels that are open.
type consumers struct {
	mu   sync.Mutex
	open map[*generation]struct{}
}

func (c *consumers) add(g *generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[*generation]struct{}{}
	}
	c.open[g] = struct{}{}
}

func (c *consumers) remove(g *generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, g)
}

// shut closes all channels at the same time, so that what they hold is requeued before the
// connection ends, which RabbitMQ counts as a failed delivery. It returns after a moment in any
// case: a node that hangs must not keep the connection from being closed.
func (c *consumers) shut(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, returnTimeout)
	defer cancel()
	c.mu.Lock()
	var closing sync.WaitGroup
	for g := range c.open {
		closing.Go(g.shut)
	}
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); closing.Wait() }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
