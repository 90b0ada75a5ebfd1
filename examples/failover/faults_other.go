//go:build !unix

package main

import (
	"context"
	"errors"
)

type fault struct{}

var faults []fault

func breakNodes(context.Context, *program, []fault) error {
	return errors.New("nodes of its own need a Unix: name yours with -urls")
}
