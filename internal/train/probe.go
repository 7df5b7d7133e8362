package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// probe is a model of any kind of input that is looked at or timed without data.
type probe struct {
	model  *onnx.Model
	shapes func(n, steps int) map[string]tensor.Shape // of the inputs, for n examples; steps where they have different lengths
	form   *data.Form                                 // how they lie in the inputs then, nil where all have one length
	least  int                                        // steps by which the model is looked at, see Base.Length
	steps  lengths                                    // of examples
	mask   string                                     // input that tells padding, see HeadSpec
	tokens func(string) (int, bool)                   // rows of tokens, see freeze.Set
	fixed  bool                                       // the batch is 1 and cannot be changed
	every  bool                                       // every position of a sequence has scores that train
	notes  []string
}

// freeAxis is the size given to an axis other than the batch whose size the model leaves open.
const freeAxis = 128

// openProbe reads a model and decides the shapes of its inputs: as given by name, as its preprocessing
// says for a picture, else the declared ones with freeAxis for what they leave open.
func openProbe(path string, o feed.Options, given map[string]tensor.Shape) (*probe, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	for name := range given {
		if !slices.ContainsFunc(m.Graph.Inputs, func(v *ir.Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("--shape %s: the model has no such input; it has %s", name, strings.Join(inputNames(m), ", "))
		}
	}
	p := &probe{model: m, least: 1}
	if len(given) == 0 {
		base, err := NewBase(m, o)
		if err == nil {
			f := base.Feed.Form()
			p.shapes, p.notes, p.mask, p.tokens = f.Shapes, base.Notes, base.mask(), base.tokens()
			if f.Varies() {
				p.form, p.least = &f, base.Length()
			}
			p.suppose()
			return p, nil
		}
		if o.Preprocess != "" || o.Tokenizer != "" {
			return nil, err
		}
	}
	if in := m.Graph.Inputs; len(in) > 0 && len(in[0].Type.Shape) > 0 && in[0].Type.Shape[0] == 1 {
		if _, note, err := onnx.FreeBatch(m, compile.Trace); err != nil {
			p.fixed = true
			p.notes = append(p.notes, err.Error())
		} else if note != "" {
			p.notes = append(p.notes, note)
		}
	}
	for _, v := range m.Graph.Inputs {
		s := v.Type.Shape
		if _, ok := given[v.Name]; !ok && s == nil {
			return nil, fmt.Errorf("the model does not say how many axes its input %q has: give --shape %s=1,128", v.Name, v.Name)
		}
		if _, ok := given[v.Name]; !ok && len(s) > 1 && slices.Contains(s[1:], -1) {
			p.notes = append(p.notes, fmt.Sprintf("input %q is %v: open axes other than the batch are taken as %d (--shape %s=... sets them)", v.Name, v.Type, freeAxis, v.Name))
		}
	}
	p.shapes = func(n, _ int) map[string]tensor.Shape { return openShapes(m, n, given) }
	p.suppose()
	return p, nil
}

// batch gives the shapes of the inputs for n examples of typical length.
func (p *probe) batch(n int) map[string]tensor.Shape { return p.shapes(n, p.typical()) }

func inputNames(m *onnx.Model) []string {
	var names []string
	for _, v := range m.Graph.Inputs {
		names = append(names, v.Name)
	}
	return names
}

// openShapes gives every open axis of the inputs a size: n to the batch, which is the first axis and
// every axis that has the same name, and freeAxis to others.
func openShapes(m *onnx.Model, n int, given map[string]tensor.Shape) map[string]tensor.Shape {
	batch := ""
	for _, v := range m.Inputs {
		if len(v.Dims) > 0 && len(v.Shape) > 0 && v.Shape[0] < 0 && batch == "" {
			batch = v.Dims[0]
		}
	}
	out := map[string]tensor.Shape{}
	for _, v := range m.Graph.Inputs {
		if s, ok := given[v.Name]; ok {
			s = s.Clone()
			if len(s) > 0 && len(v.Type.Shape) > 0 && v.Type.Shape[0] < 0 {
				s[0] = n
			}
			out[v.Name] = s
			continue
		}
		s := v.Type.Shape.Clone()
		for i, d := range s {
			named := i < len(v.Dims) && v.Dims[i] != "" && v.Dims[i] == batch
			switch {
			case d >= 0:
			case i == 0 || named:
				s[i] = n
			default:
				s[i] = freeAxis
			}
		}
		out[v.Name] = s
	}
	return out
}

// trainable is a probe with a head and a plan.
type trainable struct {
	headed *Headed
	set    *freeze.Set
	plan   *freeze.Plan
	net    *Network // of all lengths
	sized  *Network // of the typical one
	cfg    Config   // with nothing left to choose
}

// trainable gives the model a head of cfg's kind for a number of classes (0 with keep: the model's own
// number), and makes the plan.
func (p *probe) trainable(cfg Config, classes int) (*trainable, error) {
	t := &trainable{}
	var err error
	t.headed, err = AttachHead(p.model.Graph, HeadSpec{
		Kind: cfg.Head, Classes: classes, Attach: cfg.Attach, Pool: cfg.Pool, Seed: cfg.Seed, Mask: p.mask, PerPosition: p.every}, p.shapes(p.two(), p.least))
	if err != nil {
		return nil, err
	}
	if t.set, t.plan, err = t.headed.plan(cfg, p.model, p.tokens); err != nil {
		return nil, err
	}
	if t.plan.Pending() {
		return nil, fmt.Errorf("--thaw %s:%g%%: which numbers these are is measured on the training data by fit; here, name weights or magnitude:%[2]g%%", t.plan.Share.By, 100*t.plan.Share.Share)
	}
	if err := cfg.setRates(t.set, t.plan); err != nil {
		return nil, err
	}
	p.notes = append(p.notes, t.headed.adapted()...)
	cfg.recipe(subjectOf(t.headed, t.set, t.plan, 1000))
	t.cfg = cfg
	t.net = &Network{Headed: t.headed, Set: t.set, Plan: t.plan, Form: p.form, Length: p.least, Shapes: func(n int) map[string]tensor.Shape { return p.shapes(n, p.least) }}
	t.net.Task = &task.Classify{Options: task.Options{Smoothing: cfg.LabelSmoothing}}
	if p.every {
		t.net.Task = &task.LM{Options: task.Options{Smoothing: cfg.LabelSmoothing}}
	}
	for _, w := range t.set.Weights { // those of the model are views of its file
		if t.plan.Of(w.Name).State != freeze.Frozen {
			w.Value.Data = w.Value.Data.Clone()
		}
	}
	t.sized = t.net.At(p.typical())
	return t, nil
}

// two is the batch by which features are measured.
func (p *probe) two() int {
	if p.fixed {
		return 1
	}
	return 2
}

// optimizer holds the plan's thawed weights.
func (t *trainable) optimizer() (*optim.Optimizer, error) {
	s := &Session{Config: t.cfg, Set: t.set, Plan: t.plan, opt: t.cfg.NewOptimizer()}
	s.whole()
	return s.opt, s.hold()
}

// step is one training step on made-up inputs, ready to be run again and again: the frozen region, the
// loss, the gradients and the update of the thawed weights.
type step struct {
	frozen *compile.Program
	live   *Step
	opt    *optim.Optimizer
	inputs []*tensor.Tensor
	labels []*tensor.Tensor
	lr     float64
}

func (t *trainable) step(batch int) (*step, error) {
	s := &step{lr: t.cfg.LR}
	var err error
	if s.frozen, err = t.sized.Frozen(batch); err != nil {
		return nil, err
	}
	if s.live, err = t.sized.Train(batch); err != nil {
		return nil, err
	}
	if s.opt, err = t.optimizer(); err != nil {
		return nil, err
	}
	s.inputs = madeUp(s.frozen.Graph().Inputs, t.cfg.Seed)
	scores := s.live.program.OutputTensor(1).Shape
	classes := scores[len(scores)-1]
	labels := tensor.New(tensor.Int64, scores[:len(scores)-1]...)
	for i := range labels.I64() {
		labels.I64()[i] = int64(i % classes)
	}
	s.labels = []*tensor.Tensor{labels}
	return s, nil
}

// encode runs the frozen region.
func (s *step) encode(ctx context.Context) ([]*tensor.Tensor, error) {
	return s.frozen.Run(ctx, s.inputs...)
}

// train runs the live region on frontier values and updates the weights.
func (s *step) train(ctx context.Context, values []*tensor.Tensor) error {
	if _, _, err := s.live.run(ctx, values, s.labels, 0); err != nil {
		return err
	}
	s.live.update()
	for i, slot := range s.opt.Slots() {
		slot.Grad = s.live.Grads[i]
	}
	return s.opt.Step(s.lr)
}

// madeUp fills inputs with seeded values: floating-point numbers from [-1, 1), ones for a mask, else
// integers that every table of more than one row can be indexed with.
func madeUp(inputs []*ir.Value, seed uint64) []*tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 0x6d616465))
	out := make([]*tensor.Tensor, len(inputs))
	for i, v := range inputs {
		t := tensor.New(v.Type.DType, v.Type.Shape...)
		mask := strings.Contains(strings.ToLower(v.Name), "mask")
		size := v.Type.DType.Size()
		for k := range t.Len() {
			x := 2*r.Float64() - 1
			switch e := t.Bytes[k*size:]; v.Type.DType {
			case tensor.Float32:
				t.F32()[k] = float32(x)
			case tensor.Float64:
				tensor.Data[float64](t)[k] = x
			case tensor.Float16:
				tensor.Data[uint16](t)[k] = tensor.Float32ToFloat16(float32(x))
			case tensor.BFloat16:
				tensor.Data[uint16](t)[k] = tensor.Float32ToBFloat16(float32(x))
			default: // little-endian 0 or 1 of any width
				if mask || x >= 0 {
					e[0] = 1
				}
			}
		}
		out[i] = t
	}
	return out
}
