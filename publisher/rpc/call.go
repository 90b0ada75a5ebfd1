package rpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
)

// Call sends args to a service and waits for its result. edit changes the request before it is sent, for
// instance its headers; the reply-to and the correlation id are the client's. See the package for how it ends.
//
// The protocol says what args may be: for remote.JSON anything that encodes.
func Call[Resp any](ctx context.Context, c *Client, to processor.Destination, args any, edit ...func(*processor.Envelope)) (Resp, error) {
	var result Resp
	request, err := c.protocol.EncodeRequest(args)
	if err != nil {
		return result, fmt.Errorf("rpc: encode the request to %s: %w", to, err)
	}
	for _, change := range edit {
		change(&request)
	}
	reply, err := c.call(ctx, to, request)
	if err != nil {
		return result, err
	}
	if _, cut := reply.Headers()[processor.HeaderUnreadable]; cut {
		return result, fmt.Errorf("rpc: %s: the reply: %w", to, processor.ErrUnreadable)
	}
	if err := c.protocol.DecodeReply(reply, &result); err != nil {
		return result, fmt.Errorf("rpc: %s: %w", to, err)
	}
	return result, nil
}

// call sends a request and waits for its reply.
func (c *Client) call(ctx context.Context, to processor.Destination, request processor.Envelope) (processor.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	sending, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	waiting := &call{stop: stop}
	line, id, err := c.begin(ctx, waiting)
	if err != nil {
		return nil, fmt.Errorf("rpc: nothing was sent to %s: %w", to, err)
	}
	defer c.forget(id) // also if the publisher panics
	request.CorrelationID = id

	sent := line.Publish(sending, to, request)
	if sent == nil {
		<-sending.Done()
	}
	c.forget(id) // nobody else has the call after that
	switch {
	case waiting.reply != nil: // it counts although the confirm of its request is missing
		return waiting.reply, nil
	case waiting.err != nil:
		return nil, errors.Join(waiting.err, sent)
	case sent != nil:
		return nil, fmt.Errorf("rpc: send the request to %s: %w", to, sent)
	}
	return nil, fmt.Errorf("rpc: no reply from %s: %w", to, ended(ctx))
}

// ended is the error of a context that is over, with its cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
