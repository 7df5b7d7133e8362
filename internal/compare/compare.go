package compare

import (
	"context"
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/run"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Options say what is compared.
type Options struct {
	Plans []Plan
	Sets  run.Sets // examples of the caller
	Seed  uint64   // of the first fit of each; the others follow
	Seeds int      // fits of each plan

	Progress func(plan string, fit Fit) // after each fit; nil for none
}

// Fit is one fit of a plan.
type Fit struct {
	Seed       uint64  `json:"seed"`
	Val        float64 `json:"val_accuracy"` // or the metric, larger is better where accuracy is not what is measured
	Train      float64 `json:"train_accuracy"`
	Seconds    float64 `json:"seconds"`
	Epochs     int     `json:"epochs"`
	TrainBytes int64   `json:"train_bytes"`
}

// Row is how a plan did over all seeds. Spreads are standard deviations.
type Row struct {
	Name    string   `json:"name"`
	Thaw    []string `json:"thaw"`
	LR      float64  `json:"lr"`
	Mean    float64  `json:"val_accuracy_mean"`
	Std     float64  `json:"val_accuracy_std"`
	Train   float64  `json:"train_accuracy_mean"`
	Gap     float64  `json:"generalization_gap"` // training over validation: what is known by heart
	Seconds float64  `json:"seconds"`            // mean of a fit
	SecStd  float64  `json:"seconds_std"`
	Params  int      `json:"params_thawed"`
	Bytes   int64    `json:"train_bytes"` // of a training step

	// Against the plan with the best mean and against full fine-tuning: the mean difference by seed, and the chance of one as large
	// where there is none, of a paired t-test over seeds. Absent where it is the plan itself; P is nil with fewer than two
	// seeds or where all differences are the same.
	Best *Difference `json:"against_best,omitempty"`
	Full *Difference `json:"against_full,omitempty"`

	Fits []Fit `json:"fits"`
}

// Difference is how a plan differs from another over the same seeds.
type Difference struct {
	Than string   `json:"than"`
	Mean float64  `json:"mean"`
	P    *float64 `json:"p"`
}

// Comparison is what compare --json prints: plans in the order given.
type Comparison struct {
	Model  string   `json:"model"`
	Data   string   `json:"data"`
	Metric string   `json:"metric"` // accuracy, or the metric of another task turned so that larger is better
	Train  int      `json:"train_examples"`
	Val    int      `json:"val_examples"`
	Seeds  int      `json:"seeds"`
	Plans  []Row    `json:"plans"`
	Best   string   `json:"best"` // by its mean
	Notes  []string `json:"notes,omitempty"`
}

// Run fits every plan with every seed. Frozen activations are shared, so the first seed pays for computing them; plans take turns seed by
// seed. Nothing is written.
func Run(ctx context.Context, o Options) (*Comparison, error) {
	c := &Comparison{Model: o.Plans[0].Config.Model, Data: o.Plans[0].Config.Data, Seeds: o.Seeds}
	for _, p := range o.Plans {
		c.Plans = append(c.Plans, Row{Name: p.Name})
	}
	for k := range o.Seeds {
		sessions, err := prepare(ctx, o.Plans, o.Sets, o.Seed+uint64(k))
		if err != nil {
			return nil, err
		}
		if k == 0 {
			s := sessions[0]
			c.Train, c.Val, c.Notes = s.Train.Len(), s.Val.Len(), s.Notes
			c.Metric, _ = s.Task.NewMetrics().Metric()
		}
		for i, s := range sessions {
			sessions[i] = nil // what a fit leaves behind goes with it
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

// prepare makes the sessions of all plans for a seed, so that a plan that cannot be is named before the first fit. Plans whose augmentation is
// that of the first share its data.
func prepare(ctx context.Context, plans []Plan, sets run.Sets, seed uint64) ([]*run.Session, error) {
	var all []*run.Session
	for _, p := range plans {
		cfg := p.Config
		cfg.Seed, cfg.Out = seed, ""
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

// one fits a session.
func one(ctx context.Context, s *run.Session) (*fitted, error) {
	r, err := s.Fit(ctx, nil, false)
	if err != nil {
		return nil, err
	}
	f := &fitted{Fit{Seed: s.Config.Seed, Val: r.ValAccuracy, Train: r.TrainAccuracy, Seconds: r.Seconds, Epochs: r.Epochs}, r.ParamsThawed}
	if r.ValMetric != nil {
		f.Val, f.Train = oriented(r.ValMetric.Name, r.ValMetric.Value), oriented(r.TrainMetric.Name, r.TrainMetric.Value)
	}
	f.TrainBytes, err = s.TrainBytes()
	return f, err
}

// oriented turns a metric so that larger is better.
func oriented(name string, v *float64) float64 {
	switch {
	case v == nil:
		return math.Inf(-1)
	case name == "macro_f1":
		return *v
	}
	return -*v
}

// conclude sums the fits up.
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

// meanStd is the mean and the standard deviation, which is 0 for a single value.
func meanStd(x []float64) (mean, std float64) {
	if len(x) < 2 {
		return x[0], 0
	}
	return stat.MeanStdDev(x, nil)
}

// than compares two plans seed by seed.
func (r *Row) than(o *Row) *Difference {
	var d []float64
	for k := range r.Fits {
		d = append(d, r.Fits[k].Val-o.Fits[k].Val)
	}
	mean, std := meanStd(d)
	return &Difference{Than: o.Name, Mean: mean, P: pairedT(mean, std, len(d))}
}

// pairedT is the two-sided p-value of a t-test that n differences have mean 0 (Student, The Probable Error of a Mean, 1908). It is nil where the
// test says nothing: with one difference, or where all are the same.
func pairedT(mean, std float64, n int) *float64 {
	if n < 2 || std == 0 || math.IsNaN(std) || math.IsInf(mean, 0) {
		return nil
	}
	t := math.Abs(mean) / (std / math.Sqrt(float64(n)))
	p := 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Survival(t)
	return &p
}
