package terminal

import "golang.org/x/sys/windows"

// understands makes a console follow escape sequences. Consoles older than Windows 10 cannot.
func understands(fd uintptr) bool {
	var mode uint32
	h := windows.Handle(fd)
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
