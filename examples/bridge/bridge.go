package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/gowarren/warren/broker"
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
	opts := make([]service.Option, 0, 3+len(s.write))
	opts = append(opts,
		service.Consumers(s.Consumer()...),
		service.Logger(log),
		service.Signals(), // they end the readers too: see main
	)
	for _, w := range s.write {
		opts = append(opts, w.handler(b.Publisher()))
	}
	br := &bridge{settings: s, broker: b}
	var err error
	if br.service, err = service.New(b, opts...); err != nil {
		return nil, err
	}
	for _, r := range s.read {
		reader, err := r.reader(br.service.Publisher())
		if err != nil {
			return nil, err
		}
		br.readers = append(br.readers, reader)
	}
	return br, nil
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
		parts = append(parts, r.Run)
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
