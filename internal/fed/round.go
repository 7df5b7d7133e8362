package fed

import (
	"context"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/compress"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// round makes a round of those who are there. It errors with tooFew where another try may succeed,
// and has changed nothing then.
func (s *Server) round(ctx context.Context, r *report.RoundEvent, there []string) error {
	cohort, err := s.cohort(there)
	if err != nil {
		return err
	}
	r.Cohort, r.LR = cohort, s.o.LRs(s.st.Round)
	r.Full = 2 * 4 * int64(s.o.Local.Session().ParamsTotal()) * int64(len(cohort))
	var next []float32
	var mask freezing.Mask
	if s.plan.oneShot > 0 {
		next, err = s.oneShot(ctx, r)
	} else {
		if mask, err = s.mask(); err != nil {
			return err
		}
		r.Active = sent(s.pieces, mask, s.o.Settings.Statistics).Active(s.n)
		var delta []float32
		if s.o.Settings.Secure {
			delta, err = s.secureRound(ctx, r, mask)
		} else {
			delta, err = s.openRound(ctx, r, mask)
		}
		if err != nil {
			return err
		}
		next, err = s.apply(r, mask, delta)
	}
	if err != nil {
		return err
	}
	m, err := s.validate(ctx, next)
	if err != nil {
		return err
	}
	s.st.weights, s.st.mask, s.val = next, mask, m
	r.Accuracy, r.ValLoss, r.Metric = report.Number(m.Accuracy()), report.Number(m.Loss()), "accuracy"
	if named := m.Named(); named != nil {
		r.Metric, r.Accuracy = named.Name, report.Number(math.NaN())
		if named.Value != nil {
			r.Accuracy = report.Number(*named.Value)
		}
	}
	if score := m.Score(); score.Finite() && (s.st.best == nil || score.Better(s.st.Score)) {
		s.st.best, s.st.Best, s.st.Score = slices.Clone(next), r.Round, m.Score()
	}
	return s.publish(ctx)
}

// cohort draws the clients of a round, in order.
func (s *Server) cohort(there []string) ([]string, error) {
	f := s.o.Settings.Fraction
	if f == 1 {
		return there, nil
	}
	rng := random.For(s.o.Local.Session().Config.Seed, random.Clients, s.st.Round)
	if s.o.Settings.Epsilon > 0 && !s.o.Settings.LocalDP {
		// What is counted holds for clients that are drawn each by itself, and nobody can foretell.
		if !s.o.Settings.Seeded {
			src, err := privacy.Secret()
			if err != nil {
				return nil, err
			}
			rng = mathrand.New(src)
		}
		var out []string
		for _, name := range there {
			if rng.Float64() < f {
				out = append(out, name)
			}
		}
		return out, nil
	}
	k := max(s.o.Settings.MinClients, int(math.Round(f*float64(len(there)))))
	out := slices.Clone(there)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	out = out[:min(k, len(out))]
	slices.Sort(out)
	return out, nil
}

// mask is what takes part in the round.
func (s *Server) mask() (freezing.Mask, error) {
	switch {
	case s.part != nil:
		return s.part.Mask(s.st.Round), nil
	case s.apf == nil:
		return nil, nil
	}
	m := s.apf.Mask()
	for m.Active(s.params) == 0 { // all sleep: time goes on until some wake
		if err := s.apf.Observe(make([]float32, s.params)); err != nil {
			return nil, err
		}
		m = s.apf.Mask()
	}
	if m.Active(s.params) == s.params {
		return nil, nil
	}
	return append(m, slices.Repeat([]bool{true}, s.n-s.params)...), nil // statistics always move
}

// openRound lets the cohort train, and combines what it sends.
func (s *Server) openRound(ctx context.Context, r *report.RoundEvent, mask freezing.Mask) ([]float32, error) {
	mb, err := s.putMask(ctx, mask)
	if err != nil {
		return nil, err
	}
	tasks := map[string]*Task{}
	for _, name := range r.Cohort {
		tasks[name] = s.training(name, mb, r)
	}
	answers, err := s.collect(ctx, r, "train", tasks)
	if err != nil {
		return nil, err
	}
	var updates []deep
	for _, name := range r.Cohort {
		a := answers[name]
		if a == nil {
			continue
		}
		u, err := s.update(name, a, mask)
		if err != nil {
			s.reject(r, name, err)
			continue
		}
		updates = append(updates, *u)
	}
	updates = s.within(r, updates)
	private := s.o.Settings.Epsilon > 0
	if need := s.need(); len(updates) < need && !private {
		return nil, few("%d of %d clients sent a change that counts, and %d are needed (%s)", len(updates), len(r.Cohort), need, whyNot(r))
	}
	for _, u := range updates {
		a := answers[u.Client]
		s.count(r, u.Client, a, aggregate.Norm(u.Delta))
	}
	if private {
		return s.privately(r, updates)
	}
	return s.combined(r, updates)
}

// need is how many updates a round takes at least.
func (s *Server) need() int { return max(s.o.Settings.MinClients, s.plan.strategy.Rule.Needs()) }

func whyNot(r *report.RoundEvent) string {
	text := fmt.Sprintf("%d did not answer", len(r.Lost))
	if len(r.Lost) > 0 {
		text += fmt.Sprintf(", as %s: %s", r.Lost[0].Client, r.Lost[0].Why)
	}
	if len(r.Rejected) > 0 {
		text += fmt.Sprintf("; %d were rejected, as %s: %s", len(r.Rejected), r.Rejected[0].Client, r.Rejected[0].Why)
	}
	return text
}

func (s *Server) putMask(ctx context.Context, m freezing.Mask) (Blob, error) {
	if m == nil {
		return Blob{}, nil
	}
	return s.put(ctx, m.Marshal())
}

// training is the task of a client.
func (s *Server) training(name string, mask Blob, r *report.RoundEvent) *Task {
	m := s.st.Members[name]
	t := &Task{Kind: Train, Attempt: r.Attempt, Version: s.st.Version, Held: m.Held, Full: s.st.Full, Mask: mask, LR: r.LR, Counted: m.Counted, Loss: s.plan.strategy.NeedsLoss}
	size := 0
	for _, step := range s.st.Steps {
		if step.To > m.Held {
			t.Steps = append(t.Steps, step.Step)
			size += step.Change.Size + step.Mask.Size
		}
	}
	if size >= s.st.Full.Size || len(t.Steps) != s.st.Version-m.Held {
		t.Steps = nil
	}
	return t
}

// collect gives tasks to clients and waits for their answers, up to the deadline. Clients without an
// answer are among the lost of the record.
func (s *Server) collect(ctx context.Context, r *report.RoundEvent, step string, tasks map[string]*Task) (map[string]*Answer, error) {
	id := fmt.Sprintf("%s%d-%s", roundName(s.st.Round), r.Attempt, step)
	out := map[string]*Answer{}
	open := map[string]bool{}
	for _, name := range r.Cohort {
		if t := tasks[name]; t != nil {
			open[name] = true
			if err := s.ask(ctx, name, id, t); err != nil {
				return nil, err
			}
		}
	}
	lost := func(name, why string) { r.Lost = append(r.Lost, report.RoundWhy{Client: name, Why: why}) }
	waiting, cancel := context.WithTimeout(ctx, time.Duration(s.o.Settings.Deadline))
	defer cancel()
	err := s.await(waiting, func() bool { return len(open) == 0 }, func(reply Reply) {
		if reply.ID != id || !open[reply.Client] {
			return // of another step, which is over
		}
		delete(open, reply.Client)
		if reply.Lost != "" {
			lost(reply.Client, reply.Lost)
			return
		}
		a, err := unpack(reply.Body)
		switch {
		case err != nil:
			s.reject(r, reply.Client, err)
		case a.Refused != "":
			s.reject(r, reply.Client, errors.New(a.Refused))
		default:
			out[reply.Client] = a
		}
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	for _, name := range r.Cohort {
		if open[name] {
			lost(name, fmt.Sprintf("no answer within %v", time.Duration(s.o.Settings.Deadline)))
		}
	}
	slices.SortStableFunc(r.Lost, compareWhy)
	slices.SortStableFunc(r.Rejected, compareWhy)
	return out, nil
}

func compareWhy(a, b report.RoundWhy) int {
	switch {
	case a.Client < b.Client:
		return -1
	case a.Client > b.Client:
		return 1
	}
	return 0
}

func (s *Server) reject(r *report.RoundEvent, client string, err error) {
	r.Rejected = append(r.Rejected, report.RoundWhy{Client: client, Why: err.Error()})
	s.o.Tell(fmt.Sprintf("round %d: the answer of client %s is rejected: %v", r.Round, client, err))
}

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

// privately is the mean of the clipped changes with noise. Every client counts the same.
func (s *Server) privately(r *report.RoundEvent, updates []deep) ([]float32, error) {
	sum := make([]float64, s.n)
	for _, u := range updates {
		privacy.Clip(u.Delta, s.o.Settings.ClipNorm)
		for i, v := range u.Delta {
			sum[i] += float64(v)
		}
	}
	return s.noisy(r, sum, len(updates))
}

// noisy makes the mean of a sum of clipped changes, with noise where the clients have added none.
func (s *Server) noisy(r *report.RoundEvent, sum []float64, n int) ([]float32, error) {
	out := make([]float32, s.n)
	for i, v := range sum {
		out[i] = float32(v)
	}
	of := float64(max(1, n))
	if s.o.Settings.Fraction < 1 && !s.o.Settings.LocalDP {
		of = max(1, s.o.Settings.Fraction*float64(len(s.st.Members))) // who was drawn is a secret
	}
	if !s.o.Settings.LocalDP {
		src, err := s.source()
		if err != nil {
			return nil, err
		}
		privacy.AddNoise(out, s.st.Noise*s.o.Settings.ClipNorm, src)
	}
	for i := range out {
		out[i] = float32(float64(out[i]) / of)
	}
	if err := s.accountant.Add(s.mechanism(), 1); err != nil {
		return nil, err
	}
	var err error
	r.Epsilon, err = s.accountant.Epsilon(s.o.Settings.Delta)
	return out, err
}

func (s *Server) source() (mathrand.Source, error) {
	if s.o.Settings.Seeded {
		return privacy.Seeded(s.o.Local.Session().Config.Seed, s.st.Round), nil
	}
	return privacy.Secret()
}

// apply makes the server's step, and gives the weights after it.
func (s *Server) apply(r *report.RoundEvent, mask freezing.Mask, delta []float32) ([]float32, error) {
	step := append(s.optimizer.Step(delta[:s.params:s.params]), delta[s.params:]...)
	next := slices.Clone(s.st.weights)
	for i, v := range step {
		if mask != nil && !mask[i] {
			step[i] = 0
			continue
		}
		next[i] += v
		if next[i]-next[i] != 0 {
			return nil, fmt.Errorf("round %d: the weights are no longer numbers: lower option lr", r.Round)
		}
	}
	for _, c := range r.Clients {
		m := s.st.Members[c.Client]
		m.Held, m.Counted, m.Examples = s.st.Version, s.st.Round, c.Examples
		m.Rounds++
		r.Loss += c.Loss * report.Number(c.Examples)
	}
	if n := examples(r); n > 0 {
		r.Loss /= report.Number(n)
	}
	r.Step = aggregate.Norm(step)
	if s.apf != nil {
		if err := s.apf.Observe(step[:s.params]); err != nil {
			return nil, err
		}
	}
	return settled(s.pieces, next), nil
}

func examples(r *report.RoundEvent) int {
	n := 0
	for _, c := range r.Clients {
		n += c.Examples
	}
	return n
}

// stepsKept is how many changes are kept for clients that missed some.
const stepsKept = 8

// publish makes the weights known to the clients, as the change from what they know. What the
// change loses stays in the difference between weights and known, and travels later.
func (s *Server) publish(ctx context.Context) error {
	change := make([]float32, s.n)
	for i, v := range s.st.weights {
		change[i] = v - s.st.known[i]
	}
	b := s.plan.scheme.Encode(nil, s.st.mask.Gather(change))
	got, err := s.plan.scheme.Decode(b, s.st.mask.Active(s.n))
	if err != nil {
		return err
	}
	if got, err = s.st.mask.Scatter(got, s.n); err != nil {
		return err
	}
	for i, v := range got {
		s.st.known[i] += v
	}
	if _, exact := s.plan.scheme.(compress.None); exact {
		copy(s.st.weights, s.st.known) // to the last bit, which a difference may lose
	}
	st := step{To: s.st.Version + 1}
	if st.Change, err = s.put(ctx, b); err != nil {
		return err
	}
	if st.Mask, err = s.putMask(ctx, s.st.mask); err != nil {
		return err
	}
	before := s.st.Full
	if s.st.Full, err = s.put(ctx, floats(s.st.known)); err != nil {
		return err
	}
	s.st.Version++
	s.st.Steps = append(s.st.Steps, st)
	if before.Digest != "" && before.Digest != s.st.Full.Digest {
		if err := s.o.Carrier.Drop(ctx, before.Digest); err != nil {
			return err
		}
	}
	for len(s.st.Steps) > stepsKept {
		if err := s.o.Carrier.Drop(ctx, s.st.Steps[0].Change.Digest); err != nil {
			return err
		}
		s.st.Steps = s.st.Steps[1:]
	}
	return nil
}
