package main

// columns describes a kernel that goes over the rows of blocks of width len(s).
type columns struct {
	name string
	rows []string // blocks read, of the same shape
	out  string   // block written, or none
	vec  []string // vectors of the row's width read
	acc  []string // vectors added to
	arg  []string // float32 arguments
	body func(s *isa, rows, vec, arg, acc []v) v
}

// The body may add to acc only; a masked lane reads 0, so that its sums are not stored.
