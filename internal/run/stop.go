package run

import "github.com/permafrost-ml/permafrost/internal/task"

// Best remembers the best epoch and says when to give up. Its zero value has seen nothing; its
// fields are its whole state, as a checkpoint holds it.
type Best struct {
	Seen  int        `json:"seen"`  // epochs scored
	Epoch int        `json:"epoch"` // the best of them, meaningless while Score is of none
	Score task.Score `json:"score"`
	Found bool       `json:"found"` // some epoch had a finite score
	Stale int        `json:"stale"` // epochs since the best one
}

// Observe takes the score of an epoch and reports whether it is the best so far.
func (b *Best) Observe(epoch int, s task.Score) bool {
	b.Seen++
	if s.Finite() && (!b.Found || s.Better(b.Score)) {
		b.Epoch, b.Score, b.Found, b.Stale = epoch, s, true, 0
		return true
	}
	b.Stale++
	return false
}

// Stop reports whether patience epochs in a row have not been better than the best before them.
// Patience 0 never stops.
func (b *Best) Stop(patience int) bool { return patience > 0 && b.Stale >= patience }
