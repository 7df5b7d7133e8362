package fed

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// need is how many updates a round takes at least.
func (s *Server) need() int { return s.o.Settings.Needs() }

// update reads the change of a client.
func (s *Server) update(name string, a *Answer, mask freezing.Mask) (*deep, error) {
	from := s.st.Members[name].From
	active := sent(s.pieces, mask.And(depthMask(s.pieces, from)), s.o.Settings.Statistics)
	x, err := s.plan.scheme.Decode(a.Payload, active.Active(s.n))
	if err != nil {
		return nil, err
	}
	delta, err := active.Scatter(x, s.n)
	if err != nil {
		return nil, err
	}
	u := &deep{aggregate.Update{Client: name, Examples: a.Examples, Loss: a.Before, Delta: delta}, from}
	return u, u.Check(s.n)
}

// within rejects changes of an absurd length.
func (s *Server) within(r *report.RoundEvent, updates []deep) []deep {
	limit := s.o.Settings.MaxNorm
	norms := make([]float64, len(updates))
	for i, u := range updates {
		norms[i] = aggregate.Norm(u.Delta)
	}
	if limit == 0 && len(updates) >= 3 {
		sorted := slices.Sorted(slices.Values(norms))
		limit = 1000 * sorted[len(sorted)/2]
	}
	if limit == 0 {
		return updates
	}
	var out []deep
	for i, u := range updates {
		if norms[i] > limit {
			s.reject(r, u.Client, fmt.Errorf("its change has the length %.3g, and %.3g is the most that counts", norms[i], limit))
			continue
		}
		out = append(out, u)
	}
	return out
}

// count records that a client counted.
func (s *Server) count(r *report.RoundEvent, name string, a *Answer, norm float64) {
	loss, accuracy := report.Number(a.Loss), report.Number(a.Accuracy)
	if s.o.Settings.hidden() {
		loss, accuracy = report.Number(math.NaN()), report.Number(math.NaN())
	}
	r.Clients = append(r.Clients, report.RoundPart{Client: name, Examples: a.Examples, From: s.st.Members[name].From, Loss: loss, Accuracy: accuracy, Steps: a.Steps, Norm: norm,
		Up: int64(len(a.Payload)), Down: a.Down, Seconds: a.Seconds})
	r.Up += int64(len(a.Payload))
	r.Down += a.Down
}

// combined is the change of the round by the rule of the strategy. Statistics are no weights: they
// are averaged, or, where the rule bears liars, their medians are taken.
func (s *Server) combined(r *report.RoundEvent, updates []deep) ([]float32, error) {
	weights, statistics := make([]deep, len(updates)), make([]deep, len(updates))
	for i, u := range updates {
		weights[i], statistics[i] = u, u
		weights[i].Delta, statistics[i].Delta = u.Delta[:s.params], u.Delta[s.params:]
	}
	split := 0
	for split < len(s.pieces) && !s.pieces[split].Statistic {
		split++
	}
	change, untouched, err := combine(s.plan.strategy.Rule, s.pieces[:split], weights)
	if err != nil {
		return nil, few("%v", err)
	}
	r.LeftOut = change.Left
	for _, u := range untouched {
		r.Notes = append(r.Notes, "stayed as it was: "+u)
	}
	if s.params == s.n {
		return change.Delta, nil
	}
	statistics = slices.DeleteFunc(statistics, func(u deep) bool { return slices.Contains(change.Left, u.Client) })
	var rule aggregate.Rule = aggregate.FedAvg{}
	if s.plan.strategy.NeedsEach && len(statistics) >= (aggregate.Median{}).Needs() {
		rule = aggregate.Median{}
	}
	moved, _, err := combine(rule, s.pieces[split:], statistics)
	if err != nil {
		return nil, few("%v", err)
	}
	return append(change.Delta, moved.Delta...), nil
}
