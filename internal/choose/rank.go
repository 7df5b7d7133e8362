package choose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// most is the number of examples that criteria look at. With more, they take longer and hardly
// change.
const most = 2000

// folds is the number of folds for held-out accuracies.
const folds = 5

// RankOptions say what to rank.
type RankOptions struct {
	Config config.Config // Data and how it is prepared; Model is set to each in turn
	Sets   run.Sets      // examples of the caller
	Models []string
	Probe  bool // rank by the held-out accuracy of a linear probe, not by LogME

	Own []Criterion // criteria of the caller, beside those that are registered
	By  string      // the criterion that models are ranked by; "": as Probe says

	Progress func(done, total int) // called with the number of examples done of a model; may be nil
}

// Ranked is the scores of one model. Those that a criterion cannot give are nil.
type Ranked struct {
	Model string
	Score float64 // that models are ranked by
	// of the criteria, by name; those that are silent are left out
	Scores map[string]float64

	// on held-out examples of the training data
	Probe      *float64
	ProbeError *float64 // standard error of that
	ProbeTrain *float64

	Features int // width of what the head would read
	Params   int
	Examples int // examples that the criteria looked at
	Seconds  float64

	Notes []string
}

// Unfit is a model that cannot be ranked on the data.
type Unfit struct {
	Model  string
	Reason string
}

// Agreement is how far two criteria order the models alike.
type Agreement struct {
	A   string
	B   string
	Tau *float64 // Kendall's τ-b; nil where a score is the same for all
}

// Ranking is a list of models, the best first.
type Ranking struct {
	Models    []Ranked
	Unfit     []Unfit // those that do not take the data
	By        string
	Agreement []Agreement
	Trust     string // one sentence on how far to rely on the order
}

// Rank scores models on the training examples of a data set, by the features of their frozen
// trunks, without training. Features go to the cache that runs share, so a fit of the head starts
// warm. A model that does not take the data is listed with the reason. It errors if none does, and
// where the task has no classes.
func Rank(ctx context.Context, o RankOptions) (*Ranking, error) {
	r := &Ranking{By: "logme"}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	if o.Probe {
		r.By = "probe"
	}
	for _, own := range o.Own {
		if slices.ContainsFunc(registered, func(c Criterion) bool { return c.Name == own.Name }) {
			return nil, fmt.Errorf("the criterion %q is known already: give yours another name", own.Name)
		}
	}
	if o.By != "" {
		if !slices.ContainsFunc(o.criteria(), func(c Criterion) bool { return c.Name == o.By }) {
			return nil, fmt.Errorf("there is no criterion %q to rank by", o.By)
		}
		r.By = o.By
	}
	for _, model := range o.Models {
		m, err := rank(ctx, o, model)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && (len(o.Models) == 1 || missing(model)): // a slip, and no unfit model
			return nil, err
		case err != nil:
			r.Unfit = append(r.Unfit, Unfit{model, reason(err)})
		default:
			r.Models = append(r.Models, *m)
		}
	}
	if len(r.Models) == 0 {
		return nil, noneFits(r.Unfit)
	}
	slices.SortStableFunc(r.Models, func(a, b Ranked) int { return sign(b.Score - a.Score) })
	r.agree()
	r.Trust = r.trust()
	return r, nil
}

// reason is an error as a text, with the name of the option that it is about.
func reason(err error) string {
	if o := (*option.Error)(nil); errors.As(err, &o) {
		return strings.Replace(err.Error(), o.Name+": ", "option "+o.Name+": ", 1)
	}
	return err.Error()
}

func missing(model string) bool {
	_, err := os.Stat(model)
	return errors.Is(err, os.ErrNotExist)
}

// noneFits is the error of models none of which can be ranked: one reason if it is the same for all.
func noneFits(unfit []Unfit) error {
	if !slices.ContainsFunc(unfit, func(u Unfit) bool { return u.Reason != unfit[0].Reason }) {
		return errors.New(unfit[0].Reason)
	}
	var parts []string
	for _, u := range unfit {
		parts = append(parts, fmt.Sprintf("%s: %s", u.Model, u.Reason))
	}
	return fmt.Errorf("no model takes the data: %s", strings.Join(parts, "; "))
}

// criteria are all that models are scored by.
func (o *RankOptions) criteria() []Criterion { return slices.Concat(registered, o.Own) }

// session prepares a fit of a head for a task with classes, and tries examples.
func session(ctx context.Context, cfg config.Config, sets run.Sets) (*run.Session, []int, error) {
	s, err := run.PrepareOn(ctx, cfg, sets)
	if err != nil {
		return nil, nil, err
	}
	if !task.KindOf(s.Task).Answers.Classes {
		return nil, nil, fmt.Errorf("%s: the task is %s: evidence is gathered for classes only; compare fits instead", cfg.Data, s.Task.Name())
	}
	if err := s.Try(ctx); err != nil {
		return nil, nil, err
	}
	return s, labelsOf(s), s.ChoosePlace(ctx)
}

// labelsOf gives the classes of the training examples.
func labelsOf(s *run.Session) []int {
	labels := make([]int, s.Train.Len())
	for i, e := range s.Train.Examples {
		labels[i] = e.Label
	}
	return labels
}

func rank(ctx context.Context, o RankOptions, model string) (*Ranked, error) {
	began := time.Now()
	cfg := o.Config
	cfg.Model = model
	s, labels, err := session(ctx, cfg, o.Sets)
	if err != nil {
		return nil, err
	}
	f, err := s.Features(ctx, s.Train, o.Progress)
	if err != nil {
		return nil, err
	}
	picked := Subset(labels, most, cfg.Seed)
	sample, err := NewSample(pick(f.Rows, f.Width, picked), f.Width, pick(labels, 1, picked), len(s.Train.Classes))
	if err != nil {
		return nil, fmt.Errorf("%s on %s: %w", model, cfg.Data, err)
	}
	together, notes, err := togetherOf(s, f, picked)
	if err != nil {
		return nil, err
	}
	sample.Together = together
	m := &Ranked{Model: model, Scores: map[string]float64{}, Features: f.Width, Params: s.ParamsTotal(), Examples: sample.Len(), Notes: slices.Concat(s.Notes, notes)}
	e := &Evidence{Sample: sample, Params: m.Params, Seed: cfg.Seed}
	own, err := OwnScores(ctx, s, o.Progress)
	if err != nil {
		return nil, err
	}
	if own.Width > 1 {
		e.Theta = Softmax(pick(own.Rows, own.Width, picked), own.Width)
	}
	for _, c := range o.criteria() {
		v, err := c.Score(e)
		if errors.Is(err, ErrSilent) {
			continue
		}
		if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			err = fmt.Errorf("%g is no score", v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s on %s: criterion %s: %w", model, cfg.Data, c.Name, err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m.Scores[c.Name] = v
	}
	m.Score = m.Scores[cmp.Or(o.By, "logme")]
	if o.Probe {
		p, err := LinearProbe(sample, folds, cfg.Seed)
		if err != nil {
			return nil, fmt.Errorf("%s on %s: %w", model, cfg.Data, err)
		}
		m.Probe, m.ProbeError, m.ProbeTrain = &p.HeldOut, &p.Error, &p.Train
		if o.By == "" {
			m.Score = p.HeldOut
		}
	}
	m.Seconds = time.Since(began).Seconds()
	return m, nil
}

// pick copies the rows with the given indices.
func pick[T any](rows []T, width int, indices []int) []T {
	out := make([]T, 0, len(indices)*width)
	for _, i := range indices {
		out = append(out, rows[i*width:(i+1)*width]...)
	}
	return out
}

// scores are those of all models by criterion, in the order of their names, the probe first. What
// some model lacks is left out.
func (r *Ranking) scores() (names []string, scores [][]float64) {
	column := func(name string, of func(m *Ranked) (float64, bool)) {
		var column []float64
		for i := range r.Models {
			if v, ok := of(&r.Models[i]); ok {
				column = append(column, v)
			}
		}
		if len(column) == len(r.Models) {
			names, scores = append(names, name), append(scores, column)
		}
	}
	if len(r.Models) == 0 {
		return nil, nil
	}
	column("probe", func(m *Ranked) (float64, bool) {
		if m.Probe == nil {
			return 0, false
		}
		return *m.Probe, true
	})
	for _, name := range slices.Sorted(maps.Keys(r.Models[0].Scores)) {
		column(name, func(m *Ranked) (float64, bool) { v, ok := m.Scores[name]; return v, ok })
	}
	return names, scores
}

func (r *Ranking) agree() {
	r.Agreement = []Agreement{}
	names, scores := r.scores()
	for i := range names {
		for j := i + 1; j < len(names); j++ {
			a := Agreement{A: names[i], B: names[j]}
			if tau := Kendall(scores[i], scores[j]); !math.IsNaN(tau) {
				a.Tau = &tau
			}
			r.Agreement = append(r.Agreement, a)
		}
	}
}

// trust says how far to rely on the order.
func (r *Ranking) trust() string {
	if len(r.Models) < 2 {
		return "One model is no order; name several."
	}
	var parts []string
	sum, n := 0.0, 0
	for _, a := range r.Agreement {
		if a.Tau != nil && a.A != "size_baseline" && a.B != "size_baseline" {
			sum, n = sum+*a.Tau, n+1
		}
	}
	if n > 0 {
		mean := sum / float64(n)
		how := "agree"
		switch {
		case mean < 0.3:
			how = "contradict each other"
		case mean < 0.7:
			how = "agree in part"
		}
		parts = append(parts, fmt.Sprintf("The scores %s (mean τ %.2f over %d models)", how, mean, len(r.Models)))
	}
	a, b := r.Models[0], r.Models[1]
	switch {
	case a.Probe == nil:
		parts = append(parts, "they judge frozen features and cannot see what thawing would mend; option probe measures held-out accuracy")
	case *a.Probe-*b.Probe < math.Hypot(*a.ProbeError, *b.ProbeError):
		parts = append(parts, fmt.Sprintf("the first two differ by less than the error of their held-out accuracy, %.1f points: fit both", 100*math.Hypot(*a.ProbeError, *b.ProbeError)))
	default:
		parts = append(parts, "the first leads by more than the error of its held-out accuracy; a fit of the head should give the same order, a deeper fit need not")
	}
	s := strings.Join(parts, "; ") + "."
	return strings.ToUpper(s[:1]) + s[1:]
}
