//go:build unix && !linux

package rabbitmqtest

import "syscall"

// childAttributes keeps the terminal's interrupt from the child. Only Linux can kill
// it with a parent that was itself killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// stopped cannot be told without Linux's /proc. It takes a moment.
func stopped(int) bool { return true }
