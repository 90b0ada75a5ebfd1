package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/backoff"
)

var (
	errBusy     = errors.New("the bank is busy")
	errNotFound = errors.New("there is no such account")
)

// office asks a bank about payments, one at a time, and prints the answers.
type office struct {
	out      io.Writer
	begun    time.Time
	payments []string
	asked    map[string]int
	open     int
	done     chan struct{}
}

func newOffice(out io.Writer) *office {
	payments := []string{"rent", "books", "salary", "gift", "typo"}
	return &office{
		out: out, begun: time.Now(), payments: payments,
		asked: map[string]int{}, open: len(payments), done: make(chan struct{}),
	}
}

// ask is the handler.
func (o *office) ask(_ context.Context, msg processor.Message) error {
	payment := msg.Properties().ID
	o.asked[payment]++
	err := o.bank(payment, o.asked[payment])
	if err == nil {
		o.print(payment, "paid")
		o.finished()
	}
	return err
}

// bank returns the answer about a payment.
func (o *office) bank(payment string, asked int) error {
	switch {
	case payment == "rent" && asked < 3:
		return backoff.Again(errors.New("not paid yet"))
	case payment == "books" && asked < 7:
		return errBusy
	case payment == "salary" && asked == 1:
		return processor.RetryAfter(errors.New("due later"), 400*time.Millisecond)
	case payment == "gift":
		return backoff.Again(errors.New("never paid"))
	case payment == "typo":
		return processor.Reject(errNotFound)
	}
	return nil
}

// told prints each payment that will be asked about again, or was parked.
func (o *office) told(_ context.Context, e backoff.Event) {
	payment := e.Message.Properties().ID
	if e.Parked {
		o.print(payment, fmt.Sprintf("%v, parked", e.Err))
		o.finished()
		return
	}
	o.print(payment, fmt.Sprintf("%v, again in %v", e.Err, e.Delay))
}

func (o *office) print(payment, what string) {
	at := time.Since(o.begun).Round(50 * time.Millisecond)
	_, _ = fmt.Fprintf(o.out, "%4dms  %-6s  %s\n", at.Milliseconds(), payment, what)
}

func (o *office) finished() {
	if o.open--; o.open == 0 {
		close(o.done)
	}
}
