package run

import "github.com/permafrost-ml/permafrost/internal/task"

// Best remembers the best epoch and decides when to stop early. Its zero value has seen no epoch.
// Its fields are its complete state in a checkpoint.
type Best struct {
	Seen  int        `json:"seen"`  // number of scored epochs
	Epoch int        `json:"epoch"` // the best of them; meaningless until Found
	Score task.Score `json:"score"`
	Found bool       `json:"found"` // some epoch had a finite score
	Stale int        `json:"stale"` // epochs since the best one
}

// Observe adds the score of an epoch and reports whether it is the best so far.
func (b *Best) Observe(epoch int, s task.Score) bool {
	b.Seen++
	if s.Finite() && (!b.Found || s.Better(b.Score)) {
		b.Epoch, b.Score, b.Found, b.Stale = epoch, s, true, 0
		return true
	}
	b.Stale++
	return false
}

// Stop reports whether the last patience epochs brought no improvement. Patience 0 never stops.
func (b *Best) Stop(patience int) bool { return patience > 0 && b.Stale >= patience }
