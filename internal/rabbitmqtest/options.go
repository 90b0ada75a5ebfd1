//go:build unix

package rabbitmqtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Option changes how [Start] starts a node.
type Option func(*config) error

type config struct {
	heartbeat time.Duration
	plugins   []string
	lines     []string
	settings  []string
}

func newConfig(opts []Option) (config, error) {
	c := config{heartbeat: time.Minute}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return config{}, err
		}
	}
	return c, nil
}

// Heartbeat is the interval that the node proposes to its clients, in whole seconds; 0 is none. The
// default is a minute.
func Heartbeat(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 || d%time.Second != 0 {
			return fmt.Errorf("heartbeat %v is not a whole number of seconds", d)
		}
		c.heartbeat = d
		return nil
	}
}

// Config adds lines to the node's rabbitmq.conf, such as "channel_max = 10".
func Config(lines ...string) Option {
	return func(c *config) error {
		c.lines = append(c.lines, lines...)
		return nil
	}
}

// Setting sets one of RabbitMQ's settings that rabbitmq.conf lacks, such as
// Setting("dead_letter_worker_publisher_confirm_timeout", "1000"). It holds after a restart
// too. The value is an Erlang term without spaces.
func Setting(name, value string) Option {
	return func(c *config) error {
		c.settings = append(c.settings, "-rabbit "+name+" "+value)
		return nil
	}
}

// Plugins enables plugins, such as "rabbitmq_consistent_hash_exchange". The default is
// none: each costs time to start.
func Plugins(names ...string) Option {
	return func(c *config) error {
		c.plugins = append(c.plugins, names...)
		return nil
	}
}

// memoryLimit is the watermark above which the node blocks publishers. It does not
// depend on the machine.
const memoryLimit = "1GB"

// diskLimit is the free space, in bytes, below which the node blocks publishers.
const diskLimit = 50_000_000

// file is the node's rabbitmq.conf.
func (c config) file(extra []string) string {
	lines := slices.Concat([]string{
		"loopback_users = none",
		"log.file.level = info",
		"log.console = false",
		"vm_memory_high_watermark.absolute = " + memoryLimit,
		fmt.Sprintf("disk_free_limit.absolute = %d", diskLimit),
		fmt.Sprintf("heartbeat = %d", int(c.heartbeat.Seconds())),
	}, extra, c.lines)
	return strings.Join(lines, "\n") + "\n"
}

// pluginsFile is the node's enabled_plugins, an Erlang term.
func (c config) pluginsFile() string {
	return "[" + strings.Join(c.plugins, ",") + "].\n"
}
