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
	line, id, waiting, err := c.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("rpc: nothing was sent to %s: %w", to, err)
	}
	defer c.forget(id)
	request.CorrelationID = id

	sent := line.Publish(ctx, to, request)
	if sent == nil {
		select {
		case <-waiting.end:
		case <-ctx.Done():
		}
	}
	select {
	case <-waiting.end: // a reply counts although the confirm of its request is missing
		if waiting.err == nil {
			return waiting.reply, nil
		}
		return nil, errors.Join(waiting.err, sent)
	default:
	}
	if sent != nil {
		return nil, fmt.Errorf("rpc: send the request to %s: %w", to, sent)
	}
	return nil, fmt.Errorf("rpc: no reply from %s: %w", to, ctx.Err())
}
