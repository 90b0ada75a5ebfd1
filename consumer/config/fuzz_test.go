package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/internal/quote"
)

// fuzzed loads text as the file name: no panic, and an error names the file.
func fuzzed(t *testing.T, name, text string) {
	t.Helper()
	var read []entry
	cfg, err := config.Parse(name, []byte(text), none, config.Section("read", &read))
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\nconfig: ") {
			require.Contains(t, line, name)
		}
		return
	}
	require.NotEmpty(t, cfg.Brokers())
	ctx := cfg.Context(t.Context())
	for _, key := range []string{"a", "a.b", "imports.timeout", ""} {
		_, _ = config.Setting[time.Duration](ctx, key)
		_, _ = config.Setting[map[string]any](ctx, key)
		_, _ = config.Setting[[]string](ctx, key)
	}
	_ = cfg.String()
}

func FuzzYAML(f *testing.F) {
	f.Add(yaml)
	for _, text := range []string{"", "0", "~", "[]", "- x", "a: &a [*a]"} {
		f.Add(text)
	}
	f.Add("<<: [{a: 1}, &b {c: *b}]\n? [x]\n: y\n---\n")
	f.Add("brokers: [amqp://a]\nsettings: {a: 5, a.b: [1, {x: !!int y}], ~: 1}\nread: [{rest: 2020-01-01, labels: {1: x}}]")
	f.Fuzz(func(t *testing.T, text string) { fuzzed(t, "worker.yaml", text) })
}

func FuzzTOML(f *testing.F) {
	f.Add(toml)
	f.Add("[[read]]\nkeys = [1, {a.b = 2020-01-01}]\n[[read.x]]\n[read.x.y]\nz = 07:32:00\n[settings]\n\"a.b\" = inf")
	f.Fuzz(func(t *testing.T, text string) { fuzzed(t, "worker.toml", text) })
}

func FuzzVariable(f *testing.F) {
	f.Add("WORKERS", "8")
	f.Add("SETTINGS__A__B", "x")
	f.Add("BROKERS", "amqp://a;b@c;;")
	f.Fuzz(func(t *testing.T, name, text string) {
		entry := config.DefaultPrefix + name + "=" + text
		_, err := config.Parse("worker.yaml", []byte(yaml), config.Environ([]string{entry}))
		if err != nil {
			variable, _, _ := strings.Cut(entry, "=")
			require.Contains(t, err.Error(), quote.Name(variable))
		}
	})
}
