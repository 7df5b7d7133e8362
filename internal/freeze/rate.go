package freeze

// Trains reports whether the weight is trained, wholly or partly.
func (e Entry) Trains() bool { return e.State == Thaw || e.State == Partly }

// Rate is the multiplier of the learning rate.
func (e Entry) Rate() float64 {
	if e.LR == 0 {
		return 1
	}
	return e.LR
}

// SetRate sets the multiplier of the learning rate. A multiplier of 1 is not stored, so plans that
// do the same are equal.
func (e *Entry) SetRate(x float64) {
	if e.LR = x; x == 1 {
		e.LR = 0
	}
}
