package rabbitmqtest

import "syscall"

// childAttributes keeps the terminal's interrupt from the child, and has the kernel
// kill it with its parent.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
