//go:build !unix

package dash

import "syscall"

// apart has nothing to set where there are no groups of processes.
func apart() *syscall.SysProcAttr { return nil }
