package compare

import (
	"context"
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/run"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Options say what to compare.
type Options struct {
	Plans []Plan
	Sets  run.Sets // the caller's own examples, if any
	Seed  uint64   // of the first fit of each plan; the next ones count up
	Seeds int      // fits of each plan

	Progress func(plan string, fit Fit) // called after each fit; may be nil
}

// Fit is one fit of a plan.
type Fit struct {
	Seed       uint64  `json:"seed"`
	Val        float64 `json:"val_accuracy"` // or another metric, turned so that larger is better
	Train      float64 `json:"train_accuracy"`
	Seconds    float64 `json:"seconds"`
	Epochs     int     `json:"epochs"`
	TrainBytes int64   `json:"train_bytes"`
}

// Row is the result of one plan over all seeds. Spreads are standard deviations.
type Row struct {
	Name    string   `json:"name"`
	Thaw    []string `json:"thaw"`
	LR      float64  `json:"lr"`
	Mean    float64  `json:"val_accuracy_mean"`
	Std     float64  `json:"val_accuracy_std"`
	Train   float64  `json:"train_accuracy_mean"`
	Gap     float64  `json:"generalization_gap"` // training less validation: overfitting
	Seconds float64  `json:"seconds"`            // mean of a fit
	SecStd  float64  `json:"seconds_std"`
	Params  int      `json:"params_thawed"`
	Bytes   int64    `json:"train_bytes"` // of a training step

	// These compare with the plan of the best mean and with full fine-tuning, by the mean
	// difference over seeds and a paired t-test. They are absent for the plan itself. P is nil with
	// fewer than two seeds, and where all differences are equal.
	Best *Difference `json:"against_best,omitempty"`
	Full *Difference `json:"against_full,omitempty"`

	Fits []Fit `json:"fits"`
}

// Difference is the difference of two plans over the same seeds.
type Difference struct {
	Than string   `json:"than"`
	Mean float64  `json:"mean"`
	P    *float64 `json:"p"`
}

// Comparison is what compare --json prints: plans in the order given.
type Comparison struct {
	Model string `json:"model"`
	Data  string `json:"data"`
	// accuracy, or the metric of another task, turned so that larger is better
	Metric string   `json:"metric"`
	Train  int      `json:"train_examples"`
	Val    int      `json:"val_examples"`
	Seeds  int      `json:"seeds"`
	Plans  []Row    `json:"plans"`
	Best   string   `json:"best"` // by its mean
	Notes  []string `json:"notes,omitempty"`
}

// Run fits every plan with every seed. Plans take turns, seed by seed. They share frozen
// activations, so the first seed pays for computing them. Nothing is written.
func Run(ctx context.Context, o Options) (*Comparison, error) {
	c := &Comparison{Model: o.Plans[0].Config.Model, Data: o.Plans[0].Config.Data, Seeds: o.Seeds}
	for _, p := range o.Plans {
		c.Plans = append(c.Plans, Row{Name: p.Name})
	}
	for k := range o.Seeds {
		sessions, err := prepare(ctx, o.Plans, o.Sets, o.Seed+uint64(k), k == 0)
		if err != nil {
			return nil, err
		}
		if k == 0 {
			s := sessions[0]
			c.Train, c.Val, c.Notes = s.Train.Len(), s.Val.Len(), s.Notes
			c.Metric, _ = s.Task.NewMetrics().Metric()
		}
		for i, s := range sessions {
			sessions[i] = nil // frees what the fit left in memory
			fit, err := one(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("plan %s, seed %d: %w", c.Plans[i].Name, s.Config.Seed, err)
			}
			row := &c.Plans[i]
			row.Thaw, row.LR, row.Params = s.Config.Thaw, s.Config.LR, fit.params
			row.Fits = append(row.Fits, fit.Fit)
			if o.Progress != nil {
				o.Progress(row.Name, fit.Fit)
			}
		}
	}
	c.conclude()
	return c, nil
}

// prepare makes the sessions of all plans for one seed, so that an impossible plan is named before
// the first fit, and with try what the model does not take, too. Plans with the augmentation of the first share its data.
func prepare(ctx context.Context, plans []Plan, sets run.Sets, seed uint64, try bool) ([]*run.Session, error) {
	var all []*run.Session
	for _, p := range plans {
		cfg := p.Config
		cfg.Seed, cfg.Out = seed, ""
		cfg.Settle()
		var s *run.Session
		var err error
		if len(all) == 0 || cfg.Augment != all[0].Config.Augment {
			s, err = run.PrepareOn(ctx, cfg, sets)
		} else {
			s, err = all[0].With(cfg, all[0].Train, all[0].Val)
		}
		if err == nil {
			err = s.Check()
		}
		if err == nil && try {
			err = s.Try(ctx)
		}
		if err == nil && len(all) == 0 { // for all plans that are made from it
			err = s.ChoosePlace(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", p.Name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

type fitted struct {
	Fit
	params int
}

// one fits a session and measures it.
func one(ctx context.Context, s *run.Session) (*fitted, error) {
	if err := s.Settle(ctx); err != nil {
		return nil, err
	}
	r, err := s.Fit(ctx, nil, false)
	if err != nil {
		return nil, err
	}
	f := &fitted{Fit{Seed: s.Config.Seed, Val: r.ValAccuracy, Train: r.TrainAccuracy, Seconds: r.Seconds, Epochs: r.Epochs}, r.ParamsThawed}
	if r.ValMetric != nil {
		f.Val, f.Train = oriented(r.ValMetric.Name, r.ValMetric.Value), oriented(r.TrainMetric.Name, r.TrainMetric.Value)
	}
	f.TrainBytes = s.TrainBytes()
	return f, nil
}

// oriented turns a metric into one of which larger is better.
func oriented(name string, v *float64) float64 {
	switch {
	case v == nil:
		return math.Inf(-1)
	case name == "macro_f1":
		return *v
	}
	return -*v
}

// conclude summarises the fits.
func (c *Comparison) conclude() {
	best := 0
	for i := range c.Plans {
		r := &c.Plans[i]
		var val, tr, sec []float64
		for _, f := range r.Fits {
			val, tr, sec = append(val, f.Val), append(tr, f.Train), append(sec, f.Seconds)
			r.Bytes = max(r.Bytes, f.TrainBytes)
		}
		r.Mean, r.Std = meanStd(val)
		r.Seconds, r.SecStd = meanStd(sec)
		r.Train, _ = meanStd(tr)
		r.Gap = r.Train - r.Mean
		if r.Mean > c.Plans[best].Mean {
			best = i
		}
	}
	c.Best = c.Plans[best].Name
	for i := range c.Plans {
		for j := range c.Plans {
			if i == j {
				continue
			}
			if j == best {
				c.Plans[i].Best = c.Plans[i].than(&c.Plans[j])
			}
			if c.Plans[j].Name == Full {
				c.Plans[i].Full = c.Plans[i].than(&c.Plans[j])
			}
		}
	}
}

// meanStd is the mean and the standard deviation. That is 0 for a single value.
func meanStd(x []float64) (mean, std float64) {
	if len(x) < 2 {
		return x[0], 0
	}
	return stat.MeanStdDev(x, nil)
}

// than compares two plans, seed by seed.
func (r *Row) than(o *Row) *Difference {
	var d []float64
	for k := range r.Fits {
		d = append(d, r.Fits[k].Val-o.Fits[k].Val)
	}
	mean, std := meanStd(d)
	return &Difference{Than: o.Name, Mean: mean, P: pairedT(mean, std, len(d))}
}

// pairedT is the two-sided p-value of a t-test that n differences have mean 0 (Student, The
// Probable Error of a Mean, 1908). It is nil with one difference, and where all are equal.
func pairedT(mean, std float64, n int) *float64 {
	if n < 2 || std == 0 || math.IsNaN(std) || math.IsInf(mean, 0) {
		return nil
	}
	t := math.Abs(mean) / (std / math.Sqrt(float64(n)))
	p := 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Survival(t)
	return &p
}
