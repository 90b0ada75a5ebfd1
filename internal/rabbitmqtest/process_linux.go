package rabbitmqtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// childAttributes keeps the terminal's interrupt from the child, and has the kernel
// kill it with its parent.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// stopped reports whether SIGSTOP has reached every thread of a process.
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, readErr := os.ReadFile(thread)
		if readErr != nil {
			return false
		}
		// The state follows the name, which is in parentheses and may hold any byte.
		end := bytes.LastIndexByte(stat, ')')
		if !bytes.HasPrefix(stat[end+1:], []byte(" T")) {
			return false
		}
	}
	return err == nil
}
