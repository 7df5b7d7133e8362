package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Options say how a base model is turned into a network that trains.
type Options struct {
	Cut    string   // the last block that is left of the model, or last:N to leave out; see Base.Shorten
	Skip   []string // blocks left out before it
	Head   string   // linear, mlp:N and so on, or keep for the model's own head
	Attach []string // values that a fresh head reads; none: the input of the model's classifier
	Pool   string   // auto, mean, cls, last or max

	HeadActivation string  // of a new head's hidden layers, one of Activations; "" is relu
	HeadDropout    float64 // probability of dropping what a new head's layers read, see Network.Dropout

	Thaw, Freeze []string // selectors
	BatchNorm    string   // auto or frozen

	Adapter        string // lora:R, ia3, peft:FOLDER, or "" for none
	AdapterAlpha   float64
	AdapterTargets []string
	AdapterMerge   bool

	LRMult     []string // SELECTOR=X: learning-rate multipliers
	LayerDecay float64  // learning-rate multiplier per block of distance from the head; 0 for none

	Mixed  bool   // training uses the loss of mixed pairs of examples, see task.Mixed
	Memory int    // limit on the buffers of a training step in bytes; 0 for no limit
	Seed   uint64 // of initial weights

	// Resolve completes a plan in which the data decide what trains, see freeze.Plan.Pending. If
	// nil, the plan stays as it is.
	Resolve func(*freeze.Set, *freeze.Plan) error
}

// New builds the network for a base model, a task and options: it attaches the head, adds the
// adapters, makes the plan, and splits the model at the frontier. Programs are compiled when first
// needed. It errors on options that do not fit the model, and names them.
//
// The network shares the base's weights until the caller gives weights that change their own
// buffers.
func New(base *Base, t task.Task, o Options) (*Network, error) {
	short, err := base.Shorten(o.Cut, o.Skip)
	if err != nil {
		return nil, err
	}
	if o.Head == "keep" {
		for _, p := range short.Bypasses {
			if slices.ContainsFunc(base.Model.Graph.Outputs, func(v *ir.Value) bool { return v.Name == p.Value }) {
				return nil, option.Errorf("skip", "block %q computes %q, which the model gives as an output; give another head, with which it does not", p.Block, p.Value)
			}
		}
	}
	headed, err := AttachHead(short.Graph, HeadSpec{
		Kind: o.Head, Activation: o.HeadActivation, Classes: t.Scores(), Attach: o.Attach, End: short.End, Pool: o.Pool, Seed: o.Seed, PerPosition: t.PerPosition(), Mask: base.mask(),
	}, base.Shapes(base.Two()))
	if err != nil && o.Head == "keep" && t.Scores() == 0 {
		err = fmt.Errorf("option task %s: %w", t.Name(), err)
	}
	if err != nil {
		return nil, err
	}
	headed.Notes = append(short.Notes, headed.Notes...)
	headed.short = short
	n := &Network{Base: base, Headed: headed, Task: t, Memory: o.Memory, Dropout: o.HeadDropout, Form: base.form, Length: base.length}
	if o.Mixed {
		n.Task = task.Mixed{Task: t}
	}
	if n.Set, err = headed.describe(base, o); err != nil {
		return nil, err
	}
	if n.Plan, err = freeze.New(n.Set, freeze.Options{Thaw: o.Thaw, Freeze: o.Freeze, BatchNorm: o.BatchNorm, Model: base.Model.Digest(), Head: o.Head, Adapter: adapter.Named(o.Adapter), Merged: o.AdapterMerge, Cut: short.Cut, Skip: short.Bypasses, NewHead: headed.fresh()}); err != nil {
		return nil, err
	}
	if err := headed.placeFull(n.Set, n.Plan); err != nil {
		return nil, err
	}
	headed.Notes = append(headed.Notes, n.Set.Idle(o.Thaw, o.Freeze, headed.fresh())...)
	if o.Resolve != nil {
		if err := o.Resolve(n.Set, n.Plan); err != nil {
			return nil, err
		}
	}
	if note := n.Plan.HeavyNote(n.Set); note != "" {
		headed.Notes = append(headed.Notes, note)
	}
	idle, err := setRates(n.Set, n.Plan, o.LRMult, o.LayerDecay)
	for _, text := range idle {
		headed.Notes = append(headed.Notes, fmt.Sprintf("option lr_mult %s does nothing: all its weights are frozen", text))
	}
	return n, err
}

// With returns the same network under another plan of the same weights, with nothing compiled. It
// keeps the head's standardisation.
func (n *Network) With(plan *freeze.Plan) *Network {
	root := n.rooted()
	return &Network{Base: root.Base, Headed: root.Headed, Set: root.Set, Plan: plan, Task: root.Task, Memory: root.Memory, Dropout: root.Dropout, Form: root.Form, Length: root.Length, Norm: root.Norm}
}

// adapterIndex is the random index of the first adapter weight. Smaller indices belong to the head.
const adapterIndex = 16

// describe adds the adapters that the options ask for, and lists the weights.
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
		if spec.Folder != "" {
			if err := h.trained(&spec, set, base); err != nil {
				return nil, option.Errorf("adapter", "peft:%s: %w", spec.Folder, err)
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
	if h.Fresh {
		set.Original = base.Model.Graph
	}
	return set, nil
}
