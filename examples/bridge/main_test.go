package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// child is set in a process that is the bridge. It does not begin with WARREN_, which is the configuration's.
const child = "BRIDGE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

const shown = `written: 200 messages
published: 200 files
written: 200 messages
bridge: sent=200 arrived=200 bodies_equal=200 headers_equal=200
`

func TestOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), "", &out))
	require.Equal(t, shown, out.String())
}

func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, demo(t.Context(), rabbitmqtest.Shared(t).URL(), &out))
	require.Equal(t, shown, out.String())
}

// configured is a bridge on a broker of its own, by the text of a file with FOLDER for a directory of the test's.
func configured(t *testing.T, text string) (br *bridge, folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"in/new", "out"} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, name), 0o750))
	}
	s, err := load("bridge.yaml", []byte("brokers: [amqp://localhost/]\n"+strings.ReplaceAll(text, "FOLDER", folder)), config.Environ([]string{}))
	require.NoError(t, err)
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	br, err = newBridge(s, b, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- br.run(ctx) }()
	t.Cleanup(func() { end(); require.NoError(t, <-ended) })
	return br, folder
}

// The several keys of one <amqp:writefiles>, and its pattern.
func TestSeveralKeysForOneWriter(t *testing.T) {
	t.Parallel()
	br, folder := configured(t, `
write:
  - queue: test.queue
    keys: [test.foo, test.bar]
    directory: FOLDER/out
    pattern: ${routing_key}/${date}/${msgid}-${unique}.xml
`)
	<-br.service.Ready()
	for _, key := range []string{"test.foo", "test.bar"} {
		require.NoError(t, br.service.Send(t.Context(), processor.Destination{Exchange: exchange, RoutingKey: key},
			processor.Envelope{Body: []byte("of " + key), Properties: processor.Properties{ID: "asdf998"}}))
	}
	require.ErrorIs(t, br.service.Send(t.Context(), processor.Destination{Exchange: exchange, RoutingKey: "test.other"}, processor.Envelope{}),
		processor.ErrUnroutable)
	require.NoError(t, br.await(t.Context(), func(c counts) bool { return c.written == 2 }))
	for _, key := range []string{"test.foo", "test.bar"} {
		files, err := filepath.Glob(filepath.Join(folder, "out", key, time.Now().Format("2006-01-02"), "asdf998-*.xml"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		body, err := os.ReadFile(files[0])
		require.NoError(t, err)
		require.Equal(t, "of "+key, string(body))
		require.FileExists(t, files[0]+headersSuffix)
	}
}

// <amqp:readfiles>: the name of the file is in X-Filename.
func TestAFileIsPublishedWithItsName(t *testing.T) {
	t.Parallel()
	br, folder := configured(t, `
read:
  - directory: FOLDER/in
    routing_key: test.data
    content_type: text/xml
write:
  - queue: test.queue
    keys: [test.data]
    directory: FOLDER/out
    pattern: ${xfilename}
`)
	<-br.service.Ready()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "in/new/order.xml"), []byte("<order/>"), 0o600))
	require.NoError(t, br.await(t.Context(), func(c counts) bool { return c.written == 1 && c.read == 1 }))
	body, err := os.ReadFile(filepath.Join(folder, "out/order.xml"))
	require.NoError(t, err)
	require.Equal(t, "<order/>", string(body))
	headers, err := os.ReadFile(filepath.Join(folder, "out/order.xml"+headersSuffix))
	require.NoError(t, err)
	require.Contains(t, string(headers), "text/xml")
	require.FileExists(t, filepath.Join(folder, "in/cur/order.xml"))
}

func TestThePlan(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	require.NoError(t, os.WriteFile(file, []byte(example), 0o600))
	var out bytes.Buffer
	require.NoError(t, start(t.Context(), []string{"-config", file, "-plan"}, []string{}, &out, nil))
	for _, name := range []string{"bridge.first", "bridge.other", "bridge.second_parked", "bridge.second_retry_30s", "amq.topic"} {
		require.Contains(t, out.String(), name)
	}
}

func TestMistakesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	_, err := load("bridge.yaml", []byte("brokers: [amqp://a]\nread:\n  - directory: /in\n    routingkey: x\n  - {}\nwrites: []\n"), config.Environ([]string{}))
	require.EqualError(t, err, strings.Join([]string{
		"config: bridge.yaml:6: writes: unknown, do you mean write?",
		"config: bridge.yaml:4: read[0].routingkey: unknown, do you mean routing_key?",
		"config: bridge.yaml:5: read[1]: directory is not set",
		"config: bridge.yaml:5: read[1]: routing_key is not set",
	}, "\n"))
	_, err = load("bridge.yaml", []byte("brokers: [amqp://a]"), config.Environ([]string{}))
	require.ErrorContains(t, err, "there is nothing to do")

	s, err := load("bridge.yaml", []byte("brokers: [amqp://a]\nwrite: [{directory: /out, queue: q, pattern: '${rooting_key}'}]"), config.Environ([]string{}))
	require.NoError(t, err)
	require.ErrorContains(t, showPlan(s, new(bytes.Buffer)), "routing_key")

	for _, argument := range []string{"x-max-length: 10", "x-message-ttl: 60000"} {
		s, err = load("bridge.yaml", []byte("brokers: [amqp://a]\nwrite: [{directory: /out, queue: q, arguments: {"+argument+"}}]"), config.Environ([]string{}))
		require.NoError(t, err)
		require.ErrorIs(t, showPlan(s, new(bytes.Buffer)), needs.ErrDrops)
	}
}

func TestProgressWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := &lines{Writer: &out}
	l.show(counts{read: 5, toRead: 95, written: 3, toWrite: 2})
	l.show(counts{read: 5, toRead: 95, written: 3, toWrite: 2})
	l.end(counts{read: 100, written: 100, setAside: 1})
	require.Equal(t, "bridge: read 5, 95 wait; written 3, 2 wait\nbridge: read 100, 0 wait; written 100, 0 wait; set aside 1\n", out.String())
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newBars(&out)
	b.show(counts{read: 5, toRead: 95, written: 3, toWrite: 2})
	_, err := fmt.Fprintln(b, "a line of the log")
	require.NoError(t, err)
	b.end(counts{read: 100, written: 99, toWrite: 1})
	for _, text := range []string{"read", "100 of 100", "99 of 100", "a line of the log"} {
		require.Contains(t, out.String(), text)
	}
}

func TestFilesThatWaitAreCounted(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.Zero(t, entries(filepath.Join(folder, "nowhere")))
	for i := range 3 {
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), nil, 0o600))
	}
	b := backlog{directory: folder}
	require.EqualValues(t, 3, b.left(10))
	require.EqualValues(t, 1, b.left(12), "it is not counted again")
	require.Zero(t, b.left(20))
}
