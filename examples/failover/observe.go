package main

import (
	"context"
	"strings"
	"time"

	"github.com/gowarren/warren/failover"
)

// observe shows what happens to nodes that the user breaks.
func observe(ctx context.Context, p *program, urls string) error {
	// Messages in flight when ctx ends are waited for, or they would count as lost.
	return p.beside(context.WithoutCancel(ctx), []string{urls}, func(service context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(service, cancel)()
		p.screen.eventf("break your nodes; Ctrl-C ends")
		for {
			p.report.begin("no connection was lost")
			p.incident(ctx)
			if ctx.Err() != nil {
				return
			}
			b := p.service.stream.books.Books()
			p.report.end(p.settle(ctx))
			p.screen.eventf("calm again; longest gap: publishing %s, consuming %s", seconds(b.PublishGap), seconds(b.ProcessGap))
		}
	})
}

// incident returns when connections were lost and have been back for a while, and names the row.
func (p *program) incident(ctx context.Context) {
	connections := []*failover.Connection{p.service.broker.Publishing(), p.service.broker.Consuming()}
	before := []failover.State{connections[0].State(), connections[1].State()}
	var lost []string
	until(ctx, func() bool {
		calm := true
		for i, c := range connections {
			now := c.State()
			up := now.Phase == failover.Connected || now.Phase == failover.Blocked || now.Phase == failover.CutOff
			if old := before[i]; up && !now.Since.Equal(old.Since) {
				lost = append(lost, []string{"publishing", "consuming"}[i]+" lost "+p.screen.nameOf(old.Node))
				before[i] = now
			}
			calm = calm && up && time.Since(now.Since) > stable
		}
		return calm && len(lost) > 0
	})
	if len(lost) > 0 {
		p.report.open.fault = strings.Join(lost, ", ")
	}
}
