package config

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/option"
)

// Config is the configuration of a process. Make one with [Load]. Nothing prints its secrets: printed, it is
// the text of [Config.String]. It may be used concurrently.
type Config struct {
	file     string
	urls     func() URLs // a function, so that reflection shows none
	process  process
	settings *settings
}

// process are the keys of every process. What is nil is not set: its default is that of the package that uses it.
type process struct {
	Brokers      []Secret
	Password     *Secret
	Workers      *int
	Prefetch     *int
	DrainTimeout *time.Duration
	Log          struct {
		Level  *logLevel
		Format *logFormat
	}
}

// maxFile is the largest file.
const maxFile = 1 << 20

// Load reads the configuration from the file at path, as YAML or TOML by the ending of its name, and from the
// environment. With path "" it is the environment's alone. The error tells everything that is wrong, each
// with the file and line or the variable.
func Load(path string, opts ...Option) (*Config, error) {
	if path == "" {
		return Parse("", nil, opts...)
	}
	f, err := os.Open(path) //nolint:gosec // whoever starts the program says which
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, text, opts...)
}

// Parse is [Load] with the text of the file. Its name says what it is, and is part of errors; relative paths
// of secrets are relative to its folder.
func Parse(name string, text []byte, opts ...Option) (*Config, error) {
	o := options{prefix: DefaultPrefix}
	if err := option.Apply("config", &o, opts); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	found := &problems{}
	root := parse(name, text, found)
	if root.set() && root.kind != table {
		found.addf(root.from, "", "is %s: a table is needed, with a key for each thing to configure", root.describe("secret"))
	} else if !root.set() {
		root = newTable(root.from)
	}
	if len(found.all) > 0 {
		return nil, found.err() // what can be read of it would give more problems than there are
	}
	c := newLoading(name, o, root, found).load()
	if err := found.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// environmentName is the source where there is no file.
const environmentName = "environment"

func parse(name string, text []byte, found *problems) *value {
	from := source{name: cmp.Or(name, environmentName)}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows write it
	switch ending := strings.ToLower(filepath.Ext(name)); {
	case len(text) > maxFile:
		found.addf(from, "", "is larger than %d bytes", maxFile)
	case name == "":
	case ending == ".yaml" || ending == ".yml":
		return parseYAML(name, text, found)
	case ending == ".toml":
		return parseTOML(name, text, found)
	default:
		found.add(from, "", errors.New("the name must end with .yaml, .yml or .toml"))
	}
	return newTable(from)
}

// Brokers returns the URLs of the nodes, with their passwords, for rabbitmq.Open.
func (c *Config) Brokers() URLs { return append(URLs(nil), c.urls()...) }

// Consumer returns the options of a consumer that are set: workers, prefetch and drain_timeout.
func (c *Config) Consumer() []consumer.Option {
	var opts []consumer.Option
	p := c.process
	if p.Workers != nil {
		opts = append(opts, consumer.Workers(*p.Workers))
	}
	if p.Prefetch != nil {
		opts = append(opts, consumer.Prefetch(*p.Prefetch))
	}
	if p.DrainTimeout != nil {
		opts = append(opts, consumer.DrainTimeout(*p.DrainTimeout))
	}
	return opts
}

// DrainTimeout returns how long messages in flight may go on at the end: what is set, or else
// consumer.DefaultDrainTimeout.
func (c *Config) DrainTimeout() time.Duration {
	if d := c.process.DrainTimeout; d != nil {
		return *d
	}
	return consumer.DefaultDrainTimeout
}

// Context returns a context whose settings [Setting] reads. Run the consumer under it: the contexts of its
// handlers are made of it.
func (c *Config) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, contextKey{}, c.settings)
}

// String names the file, the nodes and the keys of the settings.
func (c Config) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: brokers %v", c.file, c.urls())
	p := c.process
	if p.Workers != nil {
		fmt.Fprintf(&b, ", workers %d", *p.Workers)
	}
	if p.Prefetch != nil {
		fmt.Fprintf(&b, ", prefetch %d", *p.Prefetch)
	}
	if p.DrainTimeout != nil {
		fmt.Fprintf(&b, ", drain_timeout %v", *p.DrainTimeout)
	}
	fmt.Fprintf(&b, ", settings %v", paths(c.settings.root, ""))
	return b.String()
}

// Format prints [Config.String], whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs [Config.String].
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns [Config.String].
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
