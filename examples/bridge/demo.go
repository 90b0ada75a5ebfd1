package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer/config"
	"github.com/gowarren/warren/processor"
)

//go:embed bridge.yaml
var example string

// messages is how many make the round trip.
const messages = 200

// showPlan prints what would be declared.
func showPlan(s *settings, w io.Writer) error {
	br, err := newBridge(s, memory.New(), nil)
	if err == nil {
		_, err = fmt.Fprint(w, plan.Of(br.service.Topology()))
	}
	return err
}

// demo makes the round trip on a broker of its own: the embedded one if url is empty.
func demo(ctx context.Context, url string, w io.Writer) (err error) {
	folder, err := os.MkdirTemp("", "bridge")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := exampleIn(folder, url)
	if err != nil {
		return err
	}
	var b broker.Broker = memory.New()
	if url != "" {
		if b, err = rabbitmq.Open(ctx, s.Brokers()); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	br, err := newBridge(s, b, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- br.run(ctx) }()
	err = roundTrip(ctx, br, folder, w)
	end()
	return errors.Join(err, <-ended)
}

// exampleIn is the example's configuration with all its directories in folder.
func exampleIn(folder, url string) (*settings, error) {
	for _, name := range []string{"in", "in/new", "first", "second"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o750); err != nil {
			return nil, err
		}
	}
	text := strings.ReplaceAll(example, "/srv/bridge", folder)
	nodes := config.Environ([]string{"WARREN_BROKERS=" + cmp.Or(url, "amqp://localhost/")})
	return load("bridge.yaml", []byte(text), nodes)
}

// roundTrip sends messages, and compares the files that they become with those that they become after they were files.
func roundTrip(ctx context.Context, br *bridge, folder string, w io.Writer) error {
	select {
	case <-br.service.Ready():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	first := processor.Destination{Exchange: exchange, RoutingKey: "bridge.first"}
	for i := range uint8(messages) {
		if err := br.service.Send(ctx, first, message(i)); err != nil {
			return err
		}
	}
	if err := br.await(ctx, func(c counts) bool { return c.written == messages }); err != nil {
		return err
	}
	fmt.Fprintf(w, "written: %d messages\n", messages)
	if err := hand(filepath.Join(folder, "first"), filepath.Join(folder, "in", "new")); err != nil {
		return err
	}
	if err := br.await(ctx, func(c counts) bool { return c.read == messages && c.written == 2*messages }); err != nil {
		return err
	}
	fmt.Fprintf(w, "published: %d files\nwritten: %d messages\n", messages, messages)
	return compare(filepath.Join(folder, "in", "cur"), filepath.Join(folder, "second"), w)
}

// message is the i-th, with headers of many types.
func message(i uint8) processor.Envelope {
	return processor.Envelope{
		Body: bytes.Repeat([]byte{i, 0, '\n', 0xff}, int(i)),
		Headers: processor.Headers{
			"text": fmt.Sprint("größer ", i), "int64": int64(i) << 40, "int16": int16(i), "uint8": i,
			"float32": float32(i) / 3, "float64": float64(i) / 7,
			"bool": i%2 == 0, "nil": nil, "bytes": []byte{i, 0xfe}, "time": time.Unix(int64(i)*1e6, 0).UTC(),
			"table": processor.Headers{"inner": int32(i), "list": []any{"a", int64(i), processor.Headers{"deep": true}}},
		},
		Properties: processor.Properties{
			ContentType: "application/octet-stream", CorrelationID: fmt.Sprint("correlation-", i),
			ReplyTo: "answers", Type: "sample", Priority: i % 10, Timestamp: time.Unix(1_700_000_000+int64(i), 0).UTC(),
		},
	}
}

// await looks at the counts until they are as wanted.
func (b *bridge) await(ctx context.Context, wanted func(counts) bool) error {
	g := newGauge(b)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !wanted(g.read(ctx)) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// headersSuffix ends the name of the file with the headers of a message.
const headersSuffix = ".headers.json"

// hand moves the messages that are files in one directory to another: for each its headers, and then its body.
func hand(from, to string) error {
	bodies, err := bodiesIn(from)
	for _, name := range bodies {
		for _, file := range []string{name + headersSuffix, name} {
			err = errors.Join(err, os.Rename(filepath.Join(from, file), filepath.Join(to, file)))
		}
	}
	return err
}

func bodiesIn(directory string) ([]string, error) {
	entries, err := os.ReadDir(directory)
	var bodies []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasSuffix(e.Name(), headersSuffix) {
			bodies = append(bodies, e.Name())
		}
	}
	return bodies, err
}

// compare tells how many messages are the same in both directories. They have the same names.
func compare(before, after string, w io.Writer) error {
	names, err := bodiesIn(before)
	if err != nil {
		return err
	}
	written, err := bodiesIn(after)
	if err != nil {
		return err
	}
	sameBodies, sameHeaders := 0, 0
	for _, name := range names {
		if equal(filepath.Join(before, name), filepath.Join(after, name), bytes.Equal) {
			sameBodies++
		}
		if equal(filepath.Join(before, name+headersSuffix), filepath.Join(after, name+headersSuffix), equalHeaders) {
			sameHeaders++
		}
	}
	fmt.Fprintf(w, "bridge: sent=%d arrived=%d bodies_equal=%d headers_equal=%d\n",
		len(names), len(written), sameBodies, sameHeaders)
	return nil
}

func equal(a, b string, same func(a, b []byte) bool) bool {
	before, err := os.ReadFile(a) //nolint:gosec // the example's own
	if err != nil {
		return false
	}
	after, err := os.ReadFile(b) //nolint:gosec // the example's own
	return err == nil && same(before, after)
}

// equalHeaders compares all that is in two headers files but the routing key, with which the bridge has sent them on.
func equalHeaders(a, b []byte) bool {
	read := func(text []byte) map[string]any {
		var all map[string]any
		if json.Unmarshal(text, &all) != nil {
			return nil
		}
		if m, ok := all["message"].(map[string]any); ok {
			delete(m, "routingKey")
		}
		return all
	}
	before, after := read(a), read(b)
	return before != nil && reflect.DeepEqual(before, after)
}
