package main

import (
	"context"
	"errors"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/retry"
)

// mail is what the queue carries, as JSON.
type mail struct {
	To string `json:"to"`
	// Refused is how often the mail server refuses the mail before it takes it; -1 is always.
	Refused int `json:"refused"`
}

// mails are a day's work.
func mails() []mail {
	return []mail{
		{To: "anna", Refused: 0},
		{To: "ben", Refused: 1},
		{To: "clara", Refused: 0},
		{To: "david", Refused: 2},
		{To: "emma", Refused: 0},
		{To: "frank", Refused: -1},
		{To: "gina", Refused: 3},
	}
}

var (
	errGreylisted = errors.New("451 try again later")
	errNoMailbox  = errors.New("550 no such mailbox")
)

// send stands for the mail server.
func send(_ context.Context, m mail, msg processor.Message) error {
	retries, _ := msg.Headers().Int64(retry.HeaderAttempts)
	switch {
	case m.Refused < 0:
		return errNoMailbox
	case retries < int64(m.Refused):
		return errGreylisted
	}
	return nil
}
