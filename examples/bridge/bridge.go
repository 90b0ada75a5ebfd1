package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/publisher/readfiles"
)

// bridge runs the readers and the handlers of a configuration on one broker.
type bridge struct {
	settings *settings
	broker   broker.Broker
	service  *service.Service
	readers  []*readfiles.Reader
}

func newBridge(s *settings, b broker.Broker, log *slog.Logger) (*bridge, error) {
	opts := make([]service.Option, 0, 4+len(s.write))
	opts = append(opts,
		service.StopTogether(),
		service.Consumers(s.Consumer()...),
		service.Logger(log),
		service.Signals(), // they end the readers too: see main
	)
	for _, w := range s.write {
		h := w.handler(b.Publisher())
		if err := keepsAll(h); err != nil {
			return nil, err
		}
		opts = append(opts, h)
	}
	br := &bridge{settings: s, broker: b}
	var err error
	if br.service, err = service.New(b, opts...); err != nil {
		return nil, err
	}
	for _, r := range s.read {
		reader, err := r.reader(br.service.Publisher(), s.DrainTimeout())
		if err != nil {
			return nil, err
		}
		br.readers = append(br.readers, reader)
	}
	return br, nil
}

// keepsAll refuses arguments with which the queue drops messages: a bridge promises to lose none.
func keepsAll(h service.Handler) error {
	pipeline, err := h.Stack.Then(h.Handle)
	if err != nil {
		return err
	}
	topology, err := needs.Of(h.Queue, pipeline)
	if err != nil {
		return err
	}
	return needs.Drops(topology.Queues[0], pipeline)
}

// run works until ctx ends, or a part fails: then all end, and whoever started the process starts it again.
func (b *bridge) run(ctx context.Context) error {
	ctx, end := context.WithCancel(b.settings.Context(ctx))
	defer end()
	var parts []func(context.Context) error
	if len(b.settings.write) > 0 {
		parts = append(parts, b.service.Run)
	}
	for _, r := range b.readers {
		parts = append(parts, func(ctx context.Context) error { return b.read(ctx, r) })
	}
	errs := make([]error, len(parts))
	var running sync.WaitGroup
	for i, part := range parts {
		running.Go(func() {
			if errs[i] = part(ctx); errs[i] != nil {
				end()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// read runs a reader, as soon as the queues of this bridge are there: else no queue would take its messages at first.
func (b *bridge) read(ctx context.Context, r *readfiles.Reader) error {
	if len(b.settings.write) > 0 {
		select {
		case <-b.service.Ready():
		case <-ctx.Done():
			return nil
		}
	}
	return r.Run(ctx)
}
