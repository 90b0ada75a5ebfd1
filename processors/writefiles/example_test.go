package writefiles_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/writefiles"
)

func Example() {
	directory, err := os.MkdirTemp("", "bills")
	if err != nil {
		log.Panic(err)
	}
	defer func() { _ = os.RemoveAll(directory) }()

	pipeline, err := stack.New(ack.New()).
		Then(writefiles.Handler(directory, writefiles.Pattern("${routing_key}/${msgid}.xml")))
	if err != nil {
		log.Panic(err)
	}
	ctx := context.Background()
	if err := pipeline.Start(ctx); err != nil { // a consumer does
		log.Panic(err)
	}
	msg := processortest.NewMessage(
		processortest.Origin(processor.Origin{RoutingKey: "bills/2026"}),
		processortest.Properties(processor.Properties{ID: "42"}),
		processortest.Body("<bill/>"))
	if err := pipeline.Process(ctx, msg); err != nil {
		log.Panic(err)
	}
	if err := pipeline.Stop(ctx); err != nil {
		log.Panic(err)
	}
	err = filepath.WalkDir(directory, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(directory, path)
			fmt.Println(name)
		}
		return err
	})
	if err != nil {
		log.Panic(err)
	}
	// Output:
	// bills%2F2026/42.xml
	// bills%2F2026/42.xml.headers.json
}
