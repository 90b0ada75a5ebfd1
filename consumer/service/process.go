package service

import (
	"context"

	"github.com/gowarren/warren/processor/stack"
)

// process lets a layer of one handler end all, such as a limit of the process's memory.
type process struct {
	*life

	ctx     context.Context //nolint:containedctx // of the run of the service
	service *Service
}

var _ stack.Ender = process{}

// End counts as the failure of its handler if there is an error, unless the service was asked to end before.
func (p process) End(err error) {
	p.mu.Lock()
	if p.why == nil && !p.asked(p.ctx) {
		p.why = err
	}
	p.mu.Unlock()
	p.service.End()
}

func (p process) Abort(err error) {
	p.End(err)
	p.service.Abort()
}
