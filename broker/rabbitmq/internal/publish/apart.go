package publish

import (
	"context"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// apart opens a channel for one message: the broker may answer it by closing the channel, or it has
// no room for a tag.
func (p *Publisher) apart(ctx context.Context, beside *confirmChannel) (*confirmChannel, error) {
	session := beside.session
	c, err := life.Call(ctx, p.broker.Life, func() (*confirmChannel, error) {
		ch, err := session.Channel(ctx)
		if err != nil {
			return nil, err
		}
		c := p.adopt(session, ch) //nolint:contextcheck // the next channel is shared
		c.apart, c.learned = true, beside.learned
		return c, c.start() //nolint:contextcheck // as long as the channel
	}, (*confirmChannel).retire)
	if err != nil && session.Err() != nil {
		return nil, errNotSent
	}
	return c, err
}
