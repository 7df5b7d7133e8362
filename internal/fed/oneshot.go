package fed

import (
	"context"
	"fmt"
	"iter"

	"github.com/permafrost-ml/permafrost/internal/report"

	"github.com/permafrost-ml/permafrost/internal/fed/mixture"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// drawn is how often each example that is described is drawn: more than once, as draws cost nothing
// and a head that learns single ones by heart is worse.
const drawn = 10

// oneShot trains the head on features that are drawn from what the clients say of theirs (see
// package mixture), and gives the weights after it. Each class of a client is drawn as often as the
// client has examples of it.
func (s *Server) oneShot(ctx context.Context, r *report.RoundEvent) ([]float32, error) {
	session := s.o.Local.Session()
	tasks := map[string]*Task{}
	for _, name := range r.Cohort {
		tasks[name] = &Task{Kind: Describe, Attempt: r.Attempt, Counted: -1}
	}
	answers, err := s.collect(ctx, r, "describe", tasks)
	if err != nil {
		return nil, err
	}
	byClass := make([][]int, len(session.Val.Classes)) // examples that lend their labels
	for i, e := range session.Val.Examples {
		byClass[e.Label] = append(byClass[e.Label], i)
	}
	width := session.Net.Headed.Features
	var rows []float32
	var like []int
	for _, name := range r.Cohort {
		a := answers[name]
		if a == nil {
			continue
		}
		mixtures, err := described(a.Payload, width, len(byClass))
		if err != nil {
			s.reject(r, name, err)
			continue
		}
		if err := plausible(mixtures, a.Examples); err != nil {
			s.reject(r, name, err)
			continue
		}
		for class, m := range inOrder(mixtures, len(byClass)) {
			if len(byClass[class]) == 0 {
				return nil, fmt.Errorf("the server's examples have none of class %s, which client %s describes", session.Val.Classes[class], name)
			}
			rng := random.For(seedOf(session.Config.Seed, name), random.Clients, r.Round, class)
			for range drawn * m.Count {
				rows = append(rows, m.Draw(rng)...)
				like = append(like, byClass[class][0])
			}
		}
		s.count(r, name, a, 0)
		s.st.Members[name].Rounds++
	}
	if len(r.Clients) < s.o.Settings.MinClients {
		return nil, few("%d of %d clients described their features, and %d are needed (%s)", len(r.Clients), len(r.Cohort), s.o.Settings.MinClients, whyNot(r))
	}
	ds := session.Val.Subset(like)
	kept, err := keep.Given(session.Net, ds, rows, width)
	if err != nil {
		return nil, err
	}
	all := make([]int, ds.Len())
	for i := range all {
		all[i] = i
	}
	if err := s.o.Local.SetWeights(s.st.weights); err != nil {
		return nil, err
	}
	if err := s.o.Local.Use(ds, kept, all); err != nil {
		return nil, err
	}
	r.Active = s.n
	trained, err := s.o.Local.Train(ctx, run.Leg{Epochs: session.Config.Epochs, LR: r.LR, Falls: true, Seed: session.Config.Seed})
	r.Loss = report.Number(trained.Loss)
	return s.o.Local.Weights(), err
}

// plausible errors where mixtures describe other than a client's number of examples.
func plausible(mixtures map[int]*mixture.Mixture, examples int) error {
	n := 0
	for _, m := range mixtures {
		n += m.Count
	}
	if n != examples {
		return fmt.Errorf("it describes %d examples and has %d", n, examples)
	}
	return nil
}

// inOrder yields mixtures in the order of their classes.
func inOrder(mixtures map[int]*mixture.Mixture, classes int) iter.Seq2[int, *mixture.Mixture] {
	return func(yield func(int, *mixture.Mixture) bool) {
		for class := range classes {
			if m := mixtures[class]; m != nil && !yield(class, m) {
				return
			}
		}
	}
}
