package service

import (
	"context"

	"github.com/gowarren/warren/processor/stack"
)

// process lets a layer of one handler end all, such as a limit of the process's memory.
type process struct{ service *Service }

var _ stack.Ender = process{}

func (p process) End(err error) { p.service.fail(err) }

func (p process) Abort(err error) {
	p.service.fail(err)
	p.service.Abort()
}

// failure is what a layer has ended the process with, nil if none has.
func (s *shared) failure() error {
	if err := context.Cause(s.intake); err != context.Canceled { //nolint:errorlint // that is nil, and a layer's may wrap it
		return err
	}
	return nil
}
