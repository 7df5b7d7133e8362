package split

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Options say how a base model becomes a network that trains.
type Options struct {
	Head   string   // linear, mlp:N, or keep for the model's own
	Attach []string // values that a fresh head reads; none: what the model's classifier reads
	Pool   string   // auto, mean, cls, last or max

	Thaw, Freeze []string // selectors
	BatchNorm    string   // auto or frozen

	Adapter        string // lora:R, ia3, or "" for none
	AdapterAlpha   float64
	AdapterTargets []string
	AdapterMerge   bool

	LRMult     []string // SELECTOR=X: multipliers of the learning rate
	LayerDecay float64  // multiplier for each block further from the head; 0 for none

	Mixed  bool   // training minimises the loss of pairs of examples that are mixed, see task.Mixed
	Memory int    // bytes that the buffers of a training step may take; 0 for no bound
	Seed   uint64 // of first weights

	// Resolve completes a plan in which data decide what trains, see freeze.Plan.Pending; nil
	// leaves it as it is.
	Resolve func(*freeze.Set, *freeze.Plan) error
}

// New builds the network of a base model, a task and a plan: it attaches the head, adds the
// adapters, makes the plan, and splits the model at the frontier. Programs are compiled when they
// are first asked for. It errors on options that do not fit the model, naming them.
//
// The network's weights are the base's until somebody gives those that change buffers of their own.
func New(base *Base, t task.Task, o Options) (*Network, error) {
	headed, err := AttachHead(base.Model.Graph, HeadSpec{
		Kind: o.Head, Classes: t.Scores(), Attach: o.Attach, Pool: o.Pool, Seed: o.Seed, PerPosition: t.PerPosition(), Mask: base.mask(),
	}, base.Shapes(base.Two()))
	if err != nil && o.Head == "keep" && t.Scores() == 0 {
		err = fmt.Errorf("option task %s: %w", t.Name(), err)
	}
	if err != nil {
		return nil, err
	}
	n := &Network{Base: base, Headed: headed, Task: t, Memory: o.Memory, Form: base.form, Length: base.length}
	if o.Mixed {
		n.Task = task.Mixed{Task: t}
	}
	if n.Set, err = headed.describe(base, o); err != nil {
		return nil, err
	}
	if n.Plan, err = freeze.New(n.Set, freeze.Options{Thaw: o.Thaw, Freeze: o.Freeze, BatchNorm: o.BatchNorm, Model: base.Model.Digest(), Head: o.Head, NewHead: headed.fresh()}); err != nil {
		return nil, err
	}
	if o.Resolve != nil {
		if err := o.Resolve(n.Set, n.Plan); err != nil {
			return nil, err
		}
	}
	return n, setRates(n.Set, n.Plan, o.LRMult, o.LayerDecay)
}

// With is the same network under another plan of the same weights, with nothing compiled. It keeps
// the standardisation of the head.
func (n *Network) With(plan *freeze.Plan) *Network {
	root := n.rooted()
	return &Network{Base: root.Base, Headed: root.Headed, Set: root.Set, Plan: plan, Task: root.Task, Memory: root.Memory, Form: root.Form, Length: root.Length, Norm: root.Norm}
}

// adapterIndex is where the first weights of adapters begin among those that a seed draws, behind
// the head's.
const adapterIndex = 16

// describe adds the adapters that the options ask for and describes the weights.
func (h *Headed) describe(base *Base, o Options) (*freeze.Set, error) {
	set := freeze.Describe(h.Graph, h.Weights)
	if o.Adapter != "" {
		spec, err := adapter.Parse(o.Adapter)
		if err != nil {
			return nil, option.Errorf("adapter", "%w", err)
		}
		spec.Alpha, spec.Targets = o.AdapterAlpha, o.AdapterTargets
		spec.Draw = func(n, inputs, index int) []float32 { return kaiming(n, inputs, o.Seed, adapterIndex+index) }
		if !h.Fresh {
			for _, v := range base.Model.Graph.Outputs {
				spec.Outputs = append(spec.Outputs, v.Name)
			}
		}
		if o.AdapterMerge {
			h.bare = h.clone()
		}
		if h.Adapters, err = adapter.Add(h.Graph, set, spec); err != nil {
			return nil, err
		}
		h.New = append(h.New, h.Adapters.Nodes...)
		set = freeze.Describe(h.Graph, h.Weights)
	}
	set.Tokens = base.tokens()
	return set, nil
}
