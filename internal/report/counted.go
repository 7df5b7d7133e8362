package report

// Counted writes a number of things, as 1 epoch and 2 epochs.
func Counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return Count(n) + " " + what
}

// Epochs writes a number of epochs.
func Epochs(n int) string { return Counted(n, "epoch") }
