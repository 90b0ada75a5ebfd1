//go:build unix

package rabbitmqtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that dies with this process.
type process struct {
	handle *os.Process
	gone   chan struct{} // closed when it has been waited for
	err    error         // how it ended; read it after gone
}

// startProcess runs cmd. The goroutine that waits for the child ends with it.
//
// The kernel sends the parent-death signal when the *thread* that started the child
// ends, which in Go may be long before the process does: an idle or a locked thread can
// go at any time. So the thread belongs to this goroutine for as long as the child lives.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{gone: make(chan struct{})}
	cmd.SysProcAttr = childAttributes()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		p.handle = cmd.Process
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.gone)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// signal sends sig. A process that is gone already is no error.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.handle.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end sends sig and waits until the process is gone.
func (p *process) end(sig syscall.Signal, limit time.Duration) error {
	if err := p.signal(sig); err != nil {
		return err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.gone:
		return nil
	case <-timer.C:
		return fmt.Errorf("process %d is still there %v after the signal: %v", p.handle.Pid, limit, sig)
	}
}

// running reports whether the process has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}
