package readfiles_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/readfiles"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	b := memory.New()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "bills"}}}); err != nil {
		log.Panic(err)
	}
	directory, err := os.MkdirTemp("", "bills")
	if err != nil {
		log.Panic(err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	if err := os.Mkdir(filepath.Join(directory, "new"), 0o700); err != nil {
		log.Panic(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "new", "bill.xml"), []byte("<bill/>"), 0o600); err != nil {
		log.Panic(err)
	}

	reader, err := readfiles.New(directory, b.Publisher(), processor.Destination{RoutingKey: "bills"},
		readfiles.ContentType("application/xml"),
		readfiles.Poll(10*time.Millisecond),
		readfiles.OnFile(func(e readfiles.Event) {
			fmt.Println(e.Name, e.Result)
			cancel() // one is enough here
		}))
	if err != nil {
		log.Panic(err)
	}
	if err := reader.Run(ctx); err != nil {
		log.Panic(err)
	}
	entries, err := os.ReadDir(filepath.Join(directory, "cur"))
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("in cur:", entries[0].Name())
	// Output:
	// bill.xml published
	// in cur: bill.xml
}
