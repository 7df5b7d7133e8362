package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/compare"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// CompareFile is the name of a Comparison in the folder CompareOptions.Out.
const CompareFile = compare.File

// CompareOptions say how plans are compared.
type CompareOptions struct {
	// Plans are written NAME=SELECTORS, or NAME=SELECTORS@OPTION=VALUE,... with options of a
	// Config, as in deep=head,last:2@lr=0.001. The plans "head" (a new head alone) and "full" (full
	// fine-tuning) are always compared; a plan of that name replaces them.
	Plans []string
	// Seeds is the number of fits of each plan, with Config.Seed and the following seeds.
	Seeds int
	// Out is a folder for compare.json and compare.png, which plots accuracy against time. It must
	// not contain files with these names. Empty: nothing is written.
	Out string
	// OnFit is called after each fit; nil for none.
	OnFit func(plan string, fit PlanFit)
}

// Comparison shows plans side by side, in the order given. Its JSON form is what compare --json
// prints.
type Comparison struct {
	Model string `json:"model"`
	Data  string `json:"data"`
	// accuracy, or another task's metric with its sign changed if needed so that larger is better
	Metric string         `json:"metric"`
	Train  int            `json:"train_examples"`
	Val    int            `json:"val_examples"`
	Seeds  int            `json:"seeds"`
	Plans  []ComparedPlan `json:"plans"`
	Best   string         `json:"best"` // the plan with the best mean
	Notes  []string       `json:"notes,omitempty"`
}

// ComparedPlan is the result of a plan over all seeds. Spreads are standard deviations.
type ComparedPlan struct {
	Name    string   `json:"name"`
	Thaw    []string `json:"thaw"`
	LR      float64  `json:"lr"`
	Mean    float64  `json:"val_accuracy_mean"` // of Comparison.Metric
	Std     float64  `json:"val_accuracy_std"`
	Train   float64  `json:"train_accuracy_mean"`
	Gap     float64  `json:"generalization_gap"` // training minus validation
	Seconds float64  `json:"seconds"`            // mean per fit
	SecStd  float64  `json:"seconds_std"`
	Params  int      `json:"params_thawed"`
	Bytes   int64    `json:"train_bytes"` // of a training step

	// Best and Full compare with the plan of the best mean and with full fine-tuning. They are nil
	// for the plan itself.
	Best *Difference `json:"against_best,omitempty"`
	Full *Difference `json:"against_full,omitempty"`

	Fits []PlanFit `json:"fits"`
}

// PlanFit is one fit of a plan.
type PlanFit struct {
	Seed       uint64  `json:"seed"`
	Val        float64 `json:"val_accuracy"` // of Comparison.Metric
	Train      float64 `json:"train_accuracy"`
	Seconds    float64 `json:"seconds"`
	Epochs     int     `json:"epochs"`
	TrainBytes int64   `json:"train_bytes"`
}

// Difference is how a plan differs from another over the same seeds.
type Difference struct {
	Than string  `json:"than"`
	Mean float64 `json:"mean"` // by seed
	// P is the probability of at least this difference if there is none, from a paired t-test over
	// seeds. It is nil with fewer than two seeds or if all differences are equal.
	P *float64 `json:"p"`
}

// Compare fits every plan with every seed and shows them side by side. cfg holds what all plans
// share. Values computed from frozen weights are shared too, so the first seed pays for them.
func Compare(ctx context.Context, cfg Config, o CompareOptions, opts ...Option) (*Comparison, error) {
	sets, err := optionsOf(opts).sets(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	plans, err := compare.Plans(o.Plans, config.Config(cfg))
	if err != nil {
		return nil, badInput(err)
	}
	if err := compare.CheckFolder(o.Out); err != nil {
		return nil, badInput(err)
	}
	defer kernel.Use(cfg.Threads)()
	c, err := compare.Run(ctx, compare.Options{Plans: plans, Sets: sets, Seed: cfg.Seed, Seeds: o.Seeds, Progress: func(plan string, f compare.Fit) {
		if o.OnFit != nil {
			o.OnFit(plan, PlanFit(f))
		}
	}})
	if err != nil {
		return nil, badInput(err)
	}
	if o.Out != "" {
		if err := c.Write(o.Out); err != nil {
			return nil, failed(err)
		}
	}
	return &Comparison{
		Model: c.Model, Data: c.Data, Metric: c.Metric, Train: c.Train, Val: c.Val, Seeds: c.Seeds,
		Plans: each(c.Plans, comparedPlanOf), Best: c.Best, Notes: c.Notes,
	}, nil
}

func comparedPlanOf(r compare.Row) ComparedPlan {
	return ComparedPlan{
		Name: r.Name, Thaw: r.Thaw, LR: r.LR, Mean: r.Mean, Std: r.Std, Train: r.Train, Gap: r.Gap, Seconds: r.Seconds, SecStd: r.SecStd, Params: r.Params, Bytes: r.Bytes,
		Best: (*Difference)(r.Best), Full: (*Difference)(r.Full), Fits: each(r.Fits, func(f compare.Fit) PlanFit { return PlanFit(f) }),
	}
}
