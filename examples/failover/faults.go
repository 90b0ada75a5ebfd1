//go:build unix

package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// fault is one way to break a node.
type fault struct {
	name    string
	clients bool // breaks the node that the clients are on, not another one
	leads   bool // that node leads the queue, not another one
	strike  func(*rabbitmqtest.Node, rabbitmqtest.TB)
	mend    func(*rabbitmqtest.Node, rabbitmqtest.TB)
	hangs   bool
}

var (
	kill   = (*rabbitmqtest.Node).Kill
	stop   = (*rabbitmqtest.Node).Stop
	pause  = (*rabbitmqtest.Node).Pause
	start  = (*rabbitmqtest.Node).Restart
	resume = (*rabbitmqtest.Node).Resume
)

var faults = []fault{
	{name: "kill -9, leader and clients", clients: true, leads: true, strike: kill, mend: start},
	{name: "kill -9, leader", leads: true, strike: kill, mend: start},
	{name: "kill -9, clients", clients: true, strike: kill, mend: start},
	{name: "SIGTERM, leader and clients", clients: true, leads: true, strike: stop, mend: start},
	{name: "SIGSTOP, leader and clients", clients: true, leads: true, strike: pause, mend: resume, hangs: true},
	{name: "SIGSTOP, leader", leads: true, strike: pause, mend: resume, hangs: true},
}

// most is how long the stream may stand still after a fault.
const most = 60 * time.Second

// breakNodes starts three nodes and breaks them in each way. The nodes always end with it.
//
//nolint:contextcheck // tb has it
func breakNodes(ctx context.Context, p *program, faults []fault) error {
	p.screen.eventf("starting three nodes")
	err := rabbitmqtest.Run(ctx, func(tb rabbitmqtest.TB) {
		c := rabbitmqtest.StartCluster(tb, 3)
		for i, n := range c.Nodes() {
			p.screen.name(host(n), fmt.Sprintf("node %d", i+1))
		}
		err := p.beside(ctx, c.URLs(), func(ctx context.Context) {
			for _, n := range c.Nodes() {
				n.Sync(tb) // a queue that was just declared is not on the disk yet
			}
			for range p.rounds {
				for _, f := range faults {
					p.suffer(ctx, tb, c, f)
				}
			}
		})
		if err != nil {
			tb.Errorf("%v", err)
		}
	})
	if ctx.Err() == nil {
		return err
	}
	return nil // interrupted: what was cut short is no failure
}

// suffer breaks one node, checks that the stream goes on, and repairs the node.
//
//nolint:contextcheck // tb has it
func (p *program) suffer(ctx context.Context, tb rabbitmqtest.TB, c *rabbitmqtest.Cluster, f fault) {
	wait(ctx, p.calm)
	if ctx.Err() != nil {
		return
	}
	n := p.choose(tb, c, f)
	wait(ctx, p.calm)
	p.report.begin(f.name)
	p.screen.eventf("%s: %s", f.name, p.screen.nameOf(host(n)))
	f.strike(n, tb)
	if f.hangs {
		wait(ctx, p.heartbeat*5/2)
	} else {
		wait(ctx, p.down)
	}
	p.goesOn(ctx, tb)
	if ctx.Err() != nil {
		return
	}
	p.screen.eventf("%s comes back", p.screen.nameOf(host(n)))
	f.mend(n, tb)
	c.AwaitQuorum(tb, queue)
	wait(ctx, p.calm)
	p.report.end(p.settle(ctx))
}

// choose returns the node to break, once the queue has the leader that the fault needs.
func (p *program) choose(tb rabbitmqtest.TB, c *rabbitmqtest.Cluster, f fault) *rabbitmqtest.Node {
	b := p.service.broker
	used := []string{b.Publishing().State().Node, b.Consuming().State().Node}
	var clients, others []*rabbitmqtest.Node
	for _, n := range c.Nodes() {
		if slices.Contains(used, host(n)) {
			clients = append(clients, n)
		} else {
			others = append(others, n)
		}
	}
	victim, other := clients[0], others[0]
	if !f.clients {
		victim, other = other, victim
	}
	if f.leads {
		c.Lead(tb, queue, victim)
	} else {
		c.Lead(tb, queue, other)
	}
	return victim
}

func host(n *rabbitmqtest.Node) string {
	u, err := url.Parse(n.URL())
	if err != nil {
		return n.URL()
	}
	return u.Host
}

// goesOn fails unless messages are published and consumed.
func (p *program) goesOn(ctx context.Context, tb rabbitmqtest.TB) {
	before := p.service.stream.books.Books()
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ok := until(ctx, func() bool {
		now := p.service.stream.books.Books()
		return now.Confirmed > before.Confirmed && now.Processed > before.Processed
	})
	if !ok {
		tb.Fatalf("the stream has come to a halt: %v", p.service.stream.books.Books())
	}
}
