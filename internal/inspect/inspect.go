package inspect

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// InspectOptions say what is inspected and for what data a fit is predicted.
type InspectOptions struct {
	Config   run.Config              // of the fit; Data may be empty
	Classes  int                     // scores of a fresh head, where there are no data
	Examples int                     // training examples to predict for, where there are no data
	Shapes   map[string]tensor.Shape // of inputs, by name
	Measure  bool                    // time the model; without it nothing is predicted
	Sets     run.Sets                // examples of the caller
}

// Inspection is what a fit would do, before it runs. Its JSON form is what inspect --json prints.
type Inspection struct {
	ParamsTotal  int         `json:"params_total"` // elements of all weights, running statistics apart
	ParamsThawed int         `json:"params_thawed"`
	Layers       []Layer     `json:"layers"`
	Frontier     []string    `json:"frontier"` // values that the frozen region hands to the live one
	Predicted    *Prediction `json:"predicted"`

	Model    string   `json:"model"`
	Inputs   []string `json:"inputs"`
	Outputs  []string `json:"outputs"`
	Opset    int      `json:"opset"`
	Producer string   `json:"producer,omitempty"`
	Head     string   `json:"head"`
	Thaw     []string `json:"thaw"`
	Freeze   []string `json:"freeze,omitempty"`
	Blocks   []Block  `json:"blocks"` // what first:N and last:N count
	FLOPs    int64    `json:"flops"`  // of one example's forward pass
	Batch    int      `json:"batch"`
	Notes    []string `json:"notes,omitempty"`

	Plan *freeze.Plan `json:"-"`
}

// Layer is a layer that owns weights.
type Layer struct {
	Name   string       `json:"name"` // module path, by which it can be selected
	Op     string       `json:"op"`   // ONNX operator
	Params int          `json:"params"`
	FLOPs  int64        `json:"flops"` // of one example, with the operations without weights that follow
	State  freeze.State `json:"state"`

	Node    string        `json:"node"` // path of the node that reads it
	Block   string        `json:"block,omitempty"`
	Weights []WeightState `json:"weights"`
}

// WeightState is one weight of a layer.
type WeightState struct {
	Name  string       `json:"name"`
	Role  freeze.Role  `json:"role"`
	Shape tensor.Shape `json:"shape"`
	State freeze.State `json:"state"`
}

// Block is a repeated part of the network.
type Block struct {
	Name   string `json:"name"`
	Params int    `json:"params"`
	Thawed int    `json:"params_thawed"`
}

// Prediction is what a fit is expected to take. Times come from runs of a few examples on this machine.
type Prediction struct {
	FirstEpoch      float64 `json:"first_epoch_seconds"` // with the frozen region, whose values are then kept
	LaterEpoch      float64 `json:"later_epoch_seconds"`
	TrainBytes      int64   `json:"train_bytes"` // weights, gradients, optimiser state, activations and what is kept
	Checkpoint      int64   `json:"checkpoint_bytes"`
	CachePerExample int64   `json:"cache_bytes_per_example"` // frontier values; 0 where they are computed every time

	Examples   int     `json:"examples"`
	Decode     float64 `json:"decode_seconds_per_example"` // 0 without data
	Frozen     float64 `json:"frozen_seconds_per_example"`
	Live       float64 `json:"live_seconds_per_example"`
	Calibrated float64 `json:"calibration_seconds"`
}

// Inspect reads a model, makes the plan and predicts what a fit by it costs. Errors are those of
// Prepare.
func Inspect(ctx context.Context, o InspectOptions) (*Inspection, error) {
	defer kernel.Use(o.Config.Threads)()
	p, err := openProbe(o.Config.Model, o.Sets.FeedOptions(&o.Config), o.Shapes)
	if err != nil {
		return nil, err
	}
	cfg, decode, val := o.Config, 0.0, 0
	if cfg.Data != "" {
		tr, held, seconds, err := openForCount(ctx, cfg, o.Sets, p.base)
		if err != nil {
			return nil, err
		}
		o.Examples, decode, val = tr.Len(), seconds, held.Len()
		p.see(tr, held)
		chosen, err := run.ChooseTask(&cfg, p.base.Feed, tr, held)
		if err != nil {
			return nil, err
		}
		p.task = chosen.Task
	} else if p.task, err = madeUpTask(&cfg, o.Classes); err != nil {
		return nil, err
	}
	t, err := p.trainable(cfg, cmp.Or(o.Examples, usualExamples))
	if err != nil {
		return nil, err
	}
	if cfg.Data != "" {
		t.cfg.Batch = min(t.cfg.Batch, o.Examples)
	}
	in := &Inspection{Model: o.Config.Model, Opset: p.base.Model.Opsets[""], Producer: p.base.Model.Producer, Head: t.cfg.Head,
		Thaw: t.net.Plan.Thaw, Freeze: t.net.Plan.Freeze, Batch: t.cfg.Batch, Notes: p.notes, Layers: []Layer{}, Plan: t.net.Plan}
	in.ParamsTotal, in.ParamsThawed = t.net.Set.Elements(), t.net.Plan.Thawed(t.net.Set).Elements()
	for _, v := range p.base.Model.Inputs {
		in.Inputs = append(in.Inputs, fmt.Sprintf("%s %v%s", v.Name, v.DType, symbolic(v.Shape, v.Dims)))
	}
	for _, v := range p.base.Model.Outputs {
		in.Outputs = append(in.Outputs, fmt.Sprintf("%s %v%s", v.Name, v.DType, symbolic(v.Shape, v.Dims)))
	}
	if err := in.layers(t); err != nil {
		return nil, err
	}
	if n := p.lengthNote(o.Config.Data != ""); n != "" {
		in.Notes = append(in.Notes, n)
	}
	if _, in.Frontier, err = t.net.FrontierTypes(p.base.Two()); err != nil {
		return nil, err
	}
	if !o.Measure {
		return in, nil
	}
	in.Predicted, err = t.predict(ctx, p, o.Examples, val, decode)
	return in, err
}

// usualExamples is how many training examples are taken where nothing tells.
const usualExamples = 1000

// madeUpTask is the task of a fit without data, with so many classes or labels of no name: what the options
// say, else classify.
func madeUpTask(cfg *run.Config, classes int) (task.Task, error) {
	if cfg.Head == "keep" {
		classes = 0 // those that the model has
	}
	kind, err := task.Lookup(cfg.Task)
	if err != nil {
		return nil, err
	}
	return kind.Named(make([]string, classes), task.Options{Smoothing: cfg.LabelSmoothing}), nil
}

// openForCount opens the data of a fit and measures the time that one example takes to be read.
func openForCount(ctx context.Context, cfg run.Config, sets run.Sets, base *split.Base) (tr, val *data.Dataset, seconds float64, err error) {
	if base.Feed == nil {
		return nil, nil, 0, fmt.Errorf("data: examples cannot be fed to the model by shapes of its inputs; leave option shape out")
	}
	began := time.Now()
	from, held := sets.Places(&cfg)
	tr, val, err = base.Feed.Open(ctx, from, data.Options{Val: held, Seed: cfg.Seed, Workers: kernel.Threads(), Task: cfg.Task, Table: cfg.FeedOptions().Table})
	if err != nil {
		return nil, nil, 0, err
	}
	return tr, val, time.Since(began).Seconds() / float64(tr.Len()+val.Len()), nil
}

func symbolic(s tensor.Shape, dims []string) string {
	var parts []string
	for i, d := range s {
		switch {
		case d >= 0:
			parts = append(parts, fmt.Sprint(d))
		case i < len(dims) && dims[i] != "":
			parts = append(parts, dims[i])
		default:
			parts = append(parts, "?")
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// layers gathers weights into layers and blocks, and the operations of one example under them.
func (in *Inspection) layers(t *trainable) error {
	ops := map[string]string{}
	for _, n := range t.net.Headed.Graph.Nodes {
		ops[n.Name] = n.Op
	}
	blocks := make([]Block, len(t.net.Set.Blocks))
	for i, name := range t.net.Set.Blocks {
		blocks[i].Name = name
	}
	at := map[string]int{}
	owner := map[string]int{} // weight -> layer
	for _, w := range t.net.Set.Weights {
		name := strings.Join(w.Module, ".")
		node := w.Name
		if len(w.Nodes) > 0 {
			node = w.Nodes[0]
		}
		if name == "" {
			name = node
		}
		k, ok := at[name]
		if !ok {
			k = len(in.Layers)
			at[name] = k
			in.Layers = append(in.Layers, Layer{Name: name, Op: ops[node], Node: node})
			if w.Block >= 0 {
				in.Layers[k].Block = t.net.Set.Blocks[w.Block]
			} else if w.Head {
				in.Layers[k].Block = "head"
			}
		}
		l := &in.Layers[k]
		e := t.net.Plan.Of(w.Name)
		owner[w.Name] = k
		l.Weights = append(l.Weights, WeightState{w.Name, w.Role, w.Value.Type.Shape, e.State})
		if !w.Role.Trains() {
			continue
		}
		l.Params += w.Len()
		if w.Block >= 0 {
			b := &blocks[w.Block]
			b.Params += w.Len()
			if e.State == freeze.Thaw || e.State == freeze.Partly {
				b.Thawed += w.Len()
			}
		}
	}
	for i := range in.Layers {
		in.Layers[i].State = layerState(in.Layers[i].Weights)
	}
	in.Blocks = blocks
	return in.count(t, owner)
}

// layerState is the state of a layer by those of its weights: running statistics count only where there
// is nothing else.
func layerState(ws []WeightState) freeze.State {
	var state freeze.State
	for _, w := range ws {
		switch {
		case !w.Role.Trains():
		case state == "":
			state = w.State
		case state != w.State:
			return freeze.Partly
		}
	}
	if state == "" && len(ws) > 0 {
		return ws[0].State
	}
	return state
}

// count adds up the operations of one example. A node counts for the layer whose weight it reads, one
// without weights for the layer before it.
func (in *Inspection) count(t *trainable, owner map[string]int) error {
	g, err := compile.Model(t.net.Headed.Graph, compile.Options{Shapes: t.sized.Base.ShapesAt(1, t.sized.Length), Plain: true})
	if err != nil {
		return err
	}
	from := map[*ir.Value]int{} // values that depend on weights alone, and their layer, counted from 1
	layer := -1
	for _, n := range g.Nodes {
		static, reads := true, -1
		for _, v := range n.Inputs {
			if v == nil || v.Kind == ir.Const {
				continue
			}
			k, ok := from[v]
			if v.Kind == ir.Param {
				k, ok = owner[v.Name]
			}
			static = static && ok
			if ok {
				reads = max(reads, k)
			}
		}
		if static && reads >= 0 {
			for _, v := range n.Outputs {
				from[v] = reads
			}
			continue
		}
		if reads >= 0 {
			layer = reads
		}
		f := n.FLOPs()
		in.FLOPs += f
		if layer >= 0 {
			in.Layers[layer].FLOPs += f
		}
	}
	return nil
}

// predict times a few examples and extrapolates.
func (t *trainable) predict(ctx context.Context, p *probe, examples, val int, decode float64) (*Prediction, error) {
	began := time.Now()
	batch := min(t.cfg.Batch, max(examples, 1))
	if p.base.Fixed {
		batch = 1
	}
	r := &Prediction{Examples: examples, Decode: decode}
	shares, err := t.net.Shares()
	if err != nil {
		return nil, err
	}
	for _, s := range shares {
		r.CachePerExample += int64(s.Bytes(int(math.Round(max(p.steps.mean, 1)))))
	}
	o, err := t.net.Outline()
	if err != nil {
		return nil, err
	}
	frozenBytes, err := t.timeFrozen(ctx, p, r, o.Work())
	if err != nil {
		return nil, err
	}
	liveBytes, err := t.timeLive(ctx, p, r, batch)
	if err != nil {
		return nil, err
	}
	kept := r.CachePerExample * int64(examples+val)
	options := t.cfg.KeepOptions()
	cached, inMemory := options.Predict(kept, r.CachePerExample, r.Decode+r.Frozen)
	cached = cached && o.WorthKeeping()
	encode := (r.Decode + r.Frozen) * float64(examples+val)
	live := r.Live * (float64(examples) + float64(val)/3) // validation is a forward pass, about a third of a step
	r.FirstEpoch, r.LaterEpoch = encode+live, live
	if !cached {
		r.LaterEpoch += r.Frozen * float64(examples+val)
		r.CachePerExample, inMemory = 0, 0
	}
	opt, err := t.optimizer()
	if err != nil {
		return nil, err
	}
	thawed := int64(4 * t.net.Plan.Thawed(t.net.Set).Elements())
	states := thawed * int64(opt.StateCount())
	r.Checkpoint = thawed + states
	for _, w := range t.net.Set.Weights {
		if t.net.Plan.Of(w.Name).State == freeze.Tracking {
			r.Checkpoint += int64(w.Value.Type.Bytes())
		}
	}
	arenas := liveBytes + frozenBytes
	if cached {
		arenas = max(liveBytes, frozenBytes) // the frozen region is let go before training begins
	}
	r.TrainBytes = int64(p.base.Model.Size()) + 2*thawed + states + arenas + inMemory
	r.Calibrated = time.Since(began).Seconds()
	return r, nil
}

// timeFrozen measures the frozen region for one example, whose operations at the least length are work. It returns the memory that a
// fit's runs of it take.
func (t *trainable) timeFrozen(ctx context.Context, p *probe, r *Prediction, work int64) (int64, error) {
	net, chunk, each := t.sized, 0, 1.
	switch {
	case p.base.Fixed:
		chunk = 1
	case p.base.Form() == nil:
		elements := 0
		for _, s := range p.batch(1) {
			elements += s.Len()
		}
		chunk = keep.ChunkOf(elements)
	case p.base.Form().Rows: // runs on the windows that count, whatever example they are of
		net, chunk, each = t.net.At(1), keep.Chunk(*p.base.Form()), p.steps.mean
	default:
		chunk, each = keep.TextsAtOnce(keep.Chunk(*p.base.Form()), net.Length), p.steps.padded/float64(net.Length)
	}
	n := trialExamples(work*int64(max(net.Length, 1))/int64(max(t.net.Length, 1)), chunk)
	program, err := net.Frozen(n)
	if err != nil {
		return 0, err
	}
	defer t.net.ReleaseFrozen()
	in := madeUp(program.Graph().Inputs, t.cfg.Seed)
	took, err := clock(func() error { _, err := program.Run(ctx, in...); return err })
	r.Frozen = each * took / float64(n)
	return int64(program.ArenaBytes()) * int64(chunk) / int64(n), err
}

// timeLive measures a training step for one example. It returns the memory of a whole batch's, of the longest examples.
func (t *trainable) timeLive(ctx context.Context, p *probe, r *Prediction, batch int) (int64, error) {
	s, err := t.sized.Train(1)
	if err != nil {
		return 0, err
	}
	n := trialExamples(s.Program.Graph().FLOPs(), batch)
	if n > 1 {
		t.sized.ReleaseStep(1)
		if s, err = t.sized.Train(n); err != nil {
			return 0, err
		}
	}
	opt, err := t.optimizer()
	if err != nil {
		return 0, err
	}
	in := madeUp(s.Program.Graph().Inputs, t.cfg.Seed)
	copy(in[s.FirstLabel():], madeUpLabels(t.sized.Task, n, s.Program.OutputTensor(1).Shape))
	took, err := clock(func() error {
		if _, err := s.Program.Run(ctx, in...); err != nil {
			return err
		}
		for i, slot := range opt.Slots() {
			slot.Grad = s.Grads[i]
		}
		return opt.Step(0)
	})
	r.Live = took / float64(n)
	if err != nil || p.base.Form() == nil {
		return int64(s.Program.ArenaBytes()) * int64(batch) / int64(n), err
	}
	r.Live *= p.steps.padded / float64(t.sized.Length)
	if s, err = t.net.At(p.steps.longest).Train(batch); err != nil {
		return 0, err
	}
	return int64(s.Program.ArenaBytes()), nil
}

// A calibration run should take about trialSeconds on a slow machine, and all runs of it trialsSeconds.
const (
	trialSeconds  = 0.3
	trialsSeconds = 0.9
	slowFLOPS     = 20e9
)

// trialExamples is how many examples of so much work are run at once, at most as many as the fit runs.
func trialExamples(flops int64, most int) int {
	return max(1, min(most, int(slowFLOPS*trialSeconds/float64(max(flops, 1)))))
}

// clock is the shortest time of a few runs in seconds, of which the first warms up: the shortest is the
// one that other programs disturbed least.
func clock(f func() error) (float64, error) {
	best := math.Inf(1)
	for began, n := time.Now(), 0; n < 2 || n < 6 && time.Since(began).Seconds() < trialsSeconds; n++ {
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start).Seconds())
		if best > trialsSeconds {
			break
		}
	}
	return best, nil
}

// InspectPasses returns the text of the model's graph, with the plan's head, before and after the
// compiler's passes: specialised to the batch, and with frozen weights as constants and everything
// folded, fused and laid out.
func InspectPasses(ctx context.Context, o InspectOptions) (before, after string, err error) {
	p, err := openProbe(o.Config.Model, o.Sets.FeedOptions(&o.Config), o.Shapes)
	if err != nil {
		return "", "", err
	}
	if p.task, err = madeUpTask(&o.Config, o.Classes); err != nil {
		return "", "", err
	}
	t, err := p.trainable(o.Config, usualExamples)
	if err != nil {
		return "", "", err
	}
	batch := max(1, o.Config.Batch)
	g, err := compile.Model(t.net.Headed.Graph, compile.Options{Shapes: p.batch(batch), Plain: true})
	if err != nil {
		return "", "", err
	}
	before = g.String()
	if g, err = t.sized.Graph(batch); err != nil {
		return "", "", err
	}
	return before, g.String(), ctx.Err()
}
