package task

// ClassScore says how a model does on one class, or on one label of multilabel.
type ClassScore struct {
	Examples  int64    // that are of the class
	Predicted int64    // that the model takes for it
	Precision *float64 // the share of Predicted that is right; nil if none was predicted
	Recall    *float64 // the share of Examples that is found; nil if there are none
	F1        *float64 // the harmonic mean of the two; nil if there is neither an example nor a prediction
}

// PerClass returns the scores of the classes or labels in their order, nil for other tasks.
func (m *Metrics) PerClass() []ClassScore {
	var out []ClassScore
	add := func(both, truth, guessed int64) {
		s := ClassScore{Examples: truth, Predicted: guessed, Precision: share(both, guessed), Recall: share(both, truth)}
		s.F1 = share(2*both, truth+guessed)
		out = append(out, s)
	}
	for c := range m.Classes {
		truth, guessed := m.totals(c)
		add(m.Matrix[c][c], truth, guessed)
	}
	for _, h := range m.Labels {
		add(h.Both, h.Both+h.Missed, h.Both+h.Wrong)
	}
	return out
}

// share is a/b, nil where b is 0.
func share(a, b int64) *float64 {
	if b == 0 {
		return nil
	}
	v := float64(a) / float64(b)
	return &v
}
