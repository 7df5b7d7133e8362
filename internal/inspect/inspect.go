package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// InspectOptions say what is inspected, and for what data the cost of a fit is predicted.
type InspectOptions struct {
	Config   config.Config // of the fit; Data may be empty
	Classes  int           // scores of a fresh head, where there are no data
	Examples int           // training examples to predict for, where there are no data
	Measure  bool          // time the model; without it nothing is predicted
	Sets     run.Sets      // examples of the caller
	Guess    *Rates        // predict by these rates, which Measure gave for another plan; nil: do not
	Outline  bool          // list the nodes
}

// Inspection describes what a fit would do before it runs.
type Inspection struct {
	// elements of all weights, without running statistics
	ParamsTotal  int
	ParamsThawed int
	Layers       []Layer
	// the values that the frozen region passes to the live one
	Frontier  []string
	Predicted *Prediction

	Model    string
	Inputs   []string
	Outputs  []string
	Opset    int
	Producer string
	Head     string
	Thaw     []string
	Freeze   []string
	Blocks   []Block // the blocks that first:N and last:N count
	FLOPs    int64   // of one example's forward pass
	Batch    int
	Epochs   int // of the fit
	Notes    []string

	Rates   Rates    // that were measured
	Outline *Outline // with InspectOptions.Outline

	Plan *freeze.Plan
}

// Inspect reads a model, makes the plan and predicts the cost of a fit. It errors under the
// conditions of Prepare.
func Inspect(ctx context.Context, o InspectOptions) (*Inspection, error) {
	p, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return p.Inspect(ctx, o)
}

// Planner is a model, and the data of a fit if it has any, of which several plans are made. It is not
// safe for use from many goroutines.
type Planner struct {
	p      *probe
	tr     *data.Dataset // nil without data
	val    *data.Dataset
	decode float64 // seconds that it takes to read an example
}

// Open reads the model and opens the data of a fit. It errors under the conditions of Prepare.
func Open(ctx context.Context, o InspectOptions) (*Planner, error) {
	defer kernel.Use(o.Config.Threads)()
	p, err := openProbe(o.Config.Model, o.Sets.FeedOptions(&o.Config))
	if err != nil {
		return nil, err
	}
	n := &Planner{p: p}
	if o.Config.Data != "" {
		if n.tr, n.val, n.decode, err = openForCount(ctx, o.Config, o.Sets, p.base); err != nil {
			return nil, err
		}
		p.see(n.tr, n.val)
	} else if err := unusedWithoutData(&o.Config); err != nil {
		return nil, err
	}
	return n, nil
}

// Inspect makes the plan of a fit of this model on these data, and predicts its cost. Options that say
// how model and data are read must be those of Open.
func (n *Planner) Inspect(ctx context.Context, o InspectOptions) (*Inspection, error) {
	defer kernel.Use(o.Config.Threads)()
	cfg, one := o.Config, *n.p
	p, val := &one, 0 // of this plan: what is noted of it is not of the next
	p.notes = slices.Clip(p.notes)
	if n.tr != nil {
		o.Examples, val = n.tr.Len(), n.val.Len()
		chosen, err := run.ChooseTask(&cfg, p.base.Feed, n.tr, n.val)
		if err != nil {
			return nil, err
		}
		p.task = chosen.Task
	} else {
		var err error
		if p.task, err = madeUpTask(&cfg, o.Classes); err != nil {
			return nil, err
		}
	}
	t, err := p.trainable(cfg, cmp.Or(o.Examples, usualExamples))
	if err != nil {
		return nil, err
	}
	if cfg.Data != "" {
		t.cfg.Batch = min(t.cfg.Batch, o.Examples)
	}
	in := &Inspection{Model: o.Config.Model, Opset: p.base.Model.Opsets[""], Producer: p.base.Model.Producer, Head: t.cfg.Head,
		Thaw: t.net.Plan.Thaw, Freeze: t.net.Plan.Freeze, Batch: t.cfg.Batch, Epochs: t.cfg.Epochs, Notes: p.notes, Layers: []Layer{}, Plan: t.net.Plan}
	in.ParamsTotal, in.ParamsThawed = t.net.Set.Elements(), t.net.Plan.Thawed(t.net.Set).Elements()
	for _, v := range p.base.Model.Inputs {
		in.Inputs = append(in.Inputs, fmt.Sprintf("%s %v%s", v.Name, v.DType, symbolic(v.Shape, v.Dims)))
	}
	for _, v := range p.base.Model.Outputs {
		in.Outputs = append(in.Outputs, fmt.Sprintf("%s %v%s", v.Name, v.DType, symbolic(v.Shape, v.Dims)))
	}
	if err := in.layers(t, t.net.Plan); err != nil {
		return nil, err
	}
	if text := p.lengthNote(o.Config.Data != ""); text != "" {
		in.Notes = append(in.Notes, text)
	}
	if _, in.Frontier, err = t.net.FrontierTypes(p.base.Two()); err != nil {
		return nil, err
	}
	if o.Outline {
		if in.Outline, err = t.outline(in); err != nil {
			return nil, err
		}
	}
	if !o.Measure && o.Guess == nil {
		return in, nil
	}
	if !o.Measure {
		t.guess, t.rates = true, *o.Guess
	}
	in.Predicted, err = t.predict(ctx, p, o.Examples, val, n.decode)
	in.Rates = t.rates
	return in, err
}

// unusedWithoutData errors on options that say how data are read.
func unusedWithoutData(c *config.Config) error {
	for _, o := range []struct{ key, value string }{{"val", c.Val}, {"text_column", c.TextColumn}, {"label_column", c.LabelColumn}} {
		if o.value != "" {
			return option.Errorf(o.key, "%s: it needs option data", o.value)
		}
	}
	return nil
}

// openForCount opens the data of a fit and measures the seconds that it takes to read one example.
func openForCount(ctx context.Context, cfg config.Config, sets run.Sets, base *split.Base) (tr, val *data.Dataset, seconds float64, err error) {
	began := time.Now()
	from, held := sets.Places(&cfg)
	tr, val, err = base.Feed.Open(ctx, from, data.Options{Val: held, Seed: cfg.Seed, Workers: kernel.Threads(), Task: cfg.Task, Table: cfg.FeedOptions().Table})
	if err != nil {
		return nil, nil, 0, err
	}
	return tr, val, time.Since(began).Seconds() / float64(tr.Len()+val.Len()), nil
}
