package xdeath

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// parking is where messages over a limit go.
type parking struct {
	publisher processor.Publisher
	to        processor.Destination
	stack     bool
	log       *slog.Logger
}

func (p parking) check() error {
	switch {
	case p.to == processor.Destination{}:
		return errors.New("xdeath: the destination of Park is empty: name a queue as its routing key")
	case len(p.to.Exchange) > processor.MaxName || len(p.to.RoutingKey) > processor.MaxName:
		return fmt.Errorf("xdeath: the exchange or key of Park is over %d bytes: shorten it", processor.MaxName)
	}
	return option.Sender("xdeath: the publisher of Park", p.publisher)
}

// park returns nil when the broker has a copy. It can be the function of [Over].
func (p parking) park(ctx context.Context, e Event) error {
	envelope := republish.Park(e.Message, republish.Failure{
		Err: cause(e.Err), At: time.Now(), Count: 1 + min(e.Count, math.MaxInt64-1), First: e.First, Stack: p.stack,
	})
	sender := republish.Sender{Name: "xdeath", Publisher: p.publisher, Log: p.log}
	parked, err := sender.Park(ctx, e.Message, p.to, envelope, e.Err)
	if !parked {
		return republish.GoesBack(err)
	}
	logattr.Or(p.log).LogAttrs(ctx, slog.LevelError, "message failed, parked",
		append(logattr.Of(e.Message, err), slog.String("to", p.to.String()))...)
	return nil
}

// cause is the handler's error, whose type the headers name.
func cause(err error) error {
	if over, ok := err.(*overError); ok { //nolint:errorlint // made here, and a handler's error may panic in As
		return over.err
	}
	return err
}
