package publish

import (
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/failover"
)

// opening is a channel that is being opened, for all waiting publishes.
type opening struct {
	done chan struct{}
	err  error // set before done is closed: retrying cannot help
}

// open starts to open a channel, under the broker's context: that of the first caller may end. The
// previous channel serves until the new one is open, if it can. The caller holds mu.
func (p *Publisher) open() *opening {
	o := &opening{done: make(chan struct{})}
	p.opening = o
	delay := p.pace()
	started := p.broker.Life.Go(func() {
		life.Sleep(p.broker.Life.Context(), delay)
		c, err := p.openUntilDone()
		p.opened(o, c, err)
	})
	if !started {
		p.opening, o.err = nil, life.ErrClosed
		close(o.done)
	}
	return o
}

func (p *Publisher) opened(o *opening, c *confirmChannel, err error) {
	p.mu.Lock()
	before := p.current
	if err == nil {
		if p.learned == nil || p.learned.session != c.session {
			p.learned = newLearned(p.broker.Life, c.session)
			p.silences.clear()
		}
		c.learned, p.current = p.learned, c
	}
	p.opening, o.err = nil, err
	p.mu.Unlock()
	close(o.done)
	if err == nil && before != nil {
		before.retire()
	}
}

// pace is how long to wait before a channel is opened: a publish that the broker answers by closing
// the channel, again and again, must not be a busy loop.
func (p *Publisher) pace() time.Duration {
	before := p.current
	if before == nil || before.session.Err() != nil || !before.channel.IsClosed() || time.Since(before.opened) > life.Lasting {
		p.deaths = 0
		return 0
	}
	p.deaths++
	return life.Wait(p.deaths)
}

// openUntilDone opens a channel, retrying for as long as that may help.
func (p *Publisher) openUntilDone() (*confirmChannel, error) {
	for n := 1; ; n++ {
		c, err := p.openOnce(p.broker.Life.Context())
		if err == nil {
			return c, nil
		}
		if p.broker.Life.Context().Err() != nil {
			return nil, life.ErrClosed
		}
		if reply.Fatal(err) {
			return nil, life.ClosedOr(err)
		}
		pause := life.Wait(n)
		p.broker.Life.Log.Warn("publishing channel not opened, trying again", slog.Any("error", err), slog.Duration("wait", pause))
		life.Sleep(p.broker.Life.Context(), pause)
	}
}

func (p *Publisher) openOnce(ctx context.Context) (*confirmChannel, error) {
	session, err := p.broker.Connection.Session(ctx)
	if err != nil {
		return nil, err
	}
	topology, err := p.broker.Declared(ctx, session, p.lostOn(session))
	if err != nil {
		return nil, err
	}
	ch, err := session.Channel(ctx)
	if err != nil {
		return nil, err
	}
	c := p.adopt(session, ch)         //nolint:contextcheck // the next channel is shared
	if err := c.start(); err != nil { //nolint:contextcheck // as long as the channel
		return nil, err
	}
	for _, x := range topology.Exchanges {
		c.exchanges.know(x.Name)
	}
	return c, nil
}

// lostOn returns now if the broker has closed the previous channel on the same session: what was
// missing may need declaring again. Otherwise it returns the zero time.
func (p *Publisher) lostOn(session *failover.Session) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before := p.current; before != nil && before.session == session && before.channel.IsClosed() {
		return time.Now()
	}
	return time.Time{}
}
