//go:build unix

package rabbitmqtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

const (
	startLimit = 2 * time.Minute
	stopLimit  = 30 * time.Second
	killLimit  = 10 * time.Second

	// startTries allows for a port that another process takes between the choice and
	// the start.
	startTries = 2
)

// startCluster starts a cluster, with new ports for each try. A single node is a
// cluster of one.
func startCluster(tb TB, size int, opts ...Option) (*Cluster, error) {
	if size < 1 {
		return nil, fmt.Errorf("a cluster of %d nodes: it needs one at least", size)
	}
	config, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	installed, err := findInstallation()
	if err != nil {
		return nil, err
	}
	var c *Cluster
	for range startTries {
		c, err = startOnce(tb, installed, config, size)
		if !errors.Is(err, errExited) {
			break
		}
	}
	return c, err
}

func startOnce(tb TB, installed installation, config config, size int) (*Cluster, error) {
	c := &Cluster{installed: installed, config: config, cookie: rand.Text(), quorumLimit: quorumLimit}
	ctx, cancel := within(tb, startLimit)
	defer cancel()
	if err := c.prepare(ctx, size); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := c.form(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start RabbitMQ: %w", err), c.close())
	}
	return c, nil
}

// prepare gives the cluster everything but its brokers.
func (c *Cluster) prepare(ctx context.Context, size int) error {
	var err error
	if c.epmd, err = startEPMD(ctx, c.installed.epmd); err != nil {
		return err
	}
	for range size {
		c.nodes = append(c.nodes, newNode(c))
	}
	for _, n := range c.nodes {
		if err := n.prepare(ctx); err != nil {
			return err
		}
	}
	return nil
}
