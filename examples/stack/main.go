// Stack prints what a stack is made of and what becomes of its messages.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func main() {
	asJSON := flag.Bool("json", false, "print JSON")
	flag.Parse()
	p, err := processor.NewStack(
		ack.New(),
		retry.New(memory.New().Publisher(), "mail_retry_%attempt%", retry.FinalKey("mail_parked")),
		recovery.New(),
	).ThenFunc(send)
	if err != nil {
		fmt.Println(err)
		return
	}
	if *asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", " ")
		if err := e.Encode(p.Describe()); err != nil {
			fmt.Println(err)
		}
		return
	}
	fmt.Print(p.Describe())
}

func send(context.Context, processor.Message) error { return nil }
