package ordered

import "github.com/gowarren/warren/processor"

// Lines returns how many keys the layer keeps a line for.
func Lines(p processor.Processor) int {
	o, ok := p.(*ordered)
	if !ok {
		return -1
	}
	o.lines.mu.Lock()
	defer o.lines.mu.Unlock()
	return len(o.lines.last)
}
