//go:build unix

package dash

import "syscall"

// apart keeps a process out of the terminal's group, so that Ctrl-C reaches the server alone, which
// then interrupts the process itself.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
