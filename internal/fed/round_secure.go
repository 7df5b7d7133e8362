package fed

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/report"

	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/secure"
)

// secureRound lets the cohort train, and learns the sum of what it sends and nothing else.
func (s *Server) secureRound(ctx context.Context, r *report.RoundEvent, mask freezing.Mask) ([]float32, error) {
	// A sum is never gone on with: after a restart of the server its clients begin another.
	id := rand.Text()[:8]
	sum := &secure.Sum{Roster: secure.Roster{}, Masked: map[string][]uint32{}, Revealed: map[string]secure.Revealed{}}
	sum.Session = fmt.Sprintf("%s/%d/%s", s.st.ID, s.st.Round, id)
	ask := func(kind Kind, who []string, edit func(name string, t *Task)) (map[string]*Answer, error) {
		tasks := map[string]*Task{}
		for _, name := range who {
			t := &Task{Kind: kind, Counted: -1}
			if edit != nil {
				edit(name, t)
			}
			t.Sum = sum.Session
			tasks[name] = t
		}
		return s.collect(ctx, r, string(kind)+"-"+id, tasks)
	}
	answers, err := ask(Keys, r.Cohort, nil)
	if err != nil {
		return nil, err
	}
	for _, name := range named(r.Cohort, answers, func(a *Answer) bool { return a.Keys != nil }) {
		sum.Roster[name] = *answers[name].Keys
	}
	if n := len(sum.Roster); n < max(3, s.o.Settings.MinClients) {
		return nil, few("%d clients gave keys for a secure sum, and %d are needed%s", n, max(3, s.o.Settings.MinClients), whyNot(r))
	}
	sum.Threshold = secure.MinThreshold(len(sum.Roster))
	enough := func(what string, n int) error {
		if n < sum.Threshold {
			return few("%d of %d clients %s, and %d are needed so that nobody can be laid bare%s", n, len(sum.Roster), what, sum.Threshold, whyNot(r))
		}
		return nil
	}
	roster := named(r.Cohort, answers, func(a *Answer) bool { return a.Keys != nil })
	shares, err := ask(Share, roster, func(_ string, t *Task) { t.Roster = sum.Roster })
	if err != nil {
		return nil, err
	}
	sum.Shared = named(roster, shares, func(a *Answer) bool { return a.Sealed != nil })
	if err := enough("sent shares", len(sum.Shared)); err != nil {
		return nil, err
	}
	mb, err := s.putMask(ctx, mask)
	if err != nil {
		return nil, err
	}
	most := 0
	for _, name := range sum.Shared {
		most = max(most, s.st.Members[name].Examples)
	}
	masked, err := ask(Train, sum.Shared, func(name string, t *Task) {
		*t = *s.training(name, mb, r)
		t.Terms, t.Sealed = len(sum.Roster), map[string][]byte{}
		if s.o.Settings.Epsilon == 0 {
			t.Cap = most
		}
		for _, other := range sum.Shared {
			if b := shares[other].Sealed[name]; b != nil {
				t.Sealed[other] = b
			}
		}
	})
	if err != nil {
		return nil, err
	}
	n := mask.Active(s.n)
	for _, name := range named(sum.Shared, masked, func(*Answer) bool { return true }) {
		x, err := readWords(masked[name].Payload, n+1)
		if err != nil {
			s.reject(r, name, err)
			continue
		}
		sum.Masked[name] = x
	}
	if err := enough("sent a change", len(sum.Masked)); err != nil {
		return nil, err
	}
	left := named(sum.Shared, masked, func(*Answer) bool { return true })
	left = slices.DeleteFunc(left, func(name string) bool { return sum.Masked[name] == nil })
	revealed, err := ask(Reveal, left, func(_ string, t *Task) { t.Left = left })
	if err != nil {
		return nil, err
	}
	for _, name := range named(left, revealed, func(a *Answer) bool { return a.Revealed != nil }) {
		sum.Revealed[name] = *revealed[name].Revealed
	}
	if err := enough("revealed shares", len(sum.Revealed)); err != nil {
		return nil, err
	}
	total, err := sum.Unmask()
	if err != nil {
		return nil, few("%v", err)
	}
	f := secure.Fixed{Limit: max(1, s.o.Settings.Limit), Terms: len(sum.Roster)}
	x := f.Decode(total)
	for _, name := range left {
		s.count(r, name, masked[name], 0)
	}
	return s.fromSum(r, mask, x[:n], x[n], len(left))
}

// fromSum is the change of the round from a sum of weighted changes and that of the weights.
func (s *Server) fromSum(r *report.RoundEvent, mask freezing.Mask, x []float64, weight float64, clients int) ([]float32, error) {
	full := make([]float64, s.n)
	for i := range full {
		if mask == nil || mask[i] {
			full[i], x = x[0], x[1:]
		}
	}
	if s.o.Settings.Epsilon > 0 {
		return s.noisy(r, full, clients)
	}
	if !(weight > 0) {
		return nil, few("the clients' examples add up to a weight of %g", weight)
	}
	out := make([]float32, s.n)
	for i, v := range full {
		out[i] = float32(v / weight)
	}
	return out, nil
}

// named lists those with an answer that is good, in the order of names.
func named(names []string, answers map[string]*Answer, good func(a *Answer) bool) []string {
	var out []string
	for _, name := range names {
		if a := answers[name]; a != nil && good(a) {
			out = append(out, name)
		}
	}
	return out
}
