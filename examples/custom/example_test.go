package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// What main prints.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(run(ctx, os.Stdout))
	// Unordered output:
	// sent    1111
	// sent    3333
	// parked  2222: stale: the code has expired
	// refused: stack: layers are in an order that loses or doubles messages: stale is outside ack: what becomes of a message is decided after it has been settled, or it is never settled; put ack outside stale
	// <nil>
}
