package train

// Score is how good an epoch's weights are on the validation examples.
type Score struct {
	Metric float64 `json:"metric"` // accuracy or another number of which more is better
	Loss   float64 `json:"loss"`   // decides between equal metrics; less is better
}

// Better reports whether s is strictly better than t. One that is not finite is worse than any that is.
func (s Score) Better(t Score) bool {
	switch {
	case !s.finite():
		return false
	case !t.finite():
		return true
	case s.Metric != t.Metric:
		return s.Metric > t.Metric
	}
	return s.Loss < t.Loss
}

func (s Score) finite() bool { return finite(s.Metric) != nil && finite(s.Loss) != nil }

// Best remembers the best epoch and says when to give up. Its zero value has seen nothing; its
// fields are its whole state, as a checkpoint holds it.
type Best struct {
	Seen  int   `json:"seen"`  // epochs scored
	Epoch int   `json:"epoch"` // the best of them, meaningless while Score is of none
	Score Score `json:"score"`
	Found bool  `json:"found"` // some epoch had a finite score
	Stale int   `json:"stale"` // epochs since the best one
}

// Observe takes the score of an epoch and reports whether it is the best so far.
func (b *Best) Observe(epoch int, s Score) bool {
	b.Seen++
	if s.finite() && (!b.Found || s.Better(b.Score)) {
		b.Epoch, b.Score, b.Found, b.Stale = epoch, s, true, 0
		return true
	}
	b.Stale++
	return false
}

// Stop reports whether patience epochs in a row have not been better than the best before them.
// Patience 0 never stops.
func (b *Best) Stop(patience int) bool { return patience > 0 && b.Stale >= patience }
