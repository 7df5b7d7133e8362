package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// InspectOptions say what Inspect does, and for what data if the configuration names none.
type InspectOptions struct {
	Classes  int  // scores of a new head, where there are no data
	Examples int  // training examples to predict for, where there are no data
	Predict  bool // run a few examples and predict what a fit costs
}

// Inspection describes what a fit would do before it runs. Its JSON form is what inspect --json
// prints.
type Inspection struct {
	// elements of all weights, without running statistics
	ParamsTotal  int     `json:"params_total"`
	ParamsThawed int     `json:"params_thawed"`
	Layers       []Layer `json:"layers"` // layers with weights, from the input to the head
	// values that the frozen part of the network passes to the live part
	Frontier  []string `json:"frontier"`
	Predicted *Cost    `json:"predicted"` // nil without InspectOptions.Predict

	Model    string   `json:"model"` // path
	Inputs   []string `json:"inputs"`
	Outputs  []string `json:"outputs"`
	Opset    int      `json:"opset"`
	Producer string   `json:"producer,omitempty"`
	Head     string   `json:"head"`
	Thaw     []string `json:"thaw"`
	Freeze   []string `json:"freeze,omitempty"`
	Blocks   []Block  `json:"blocks"` // the blocks that the selectors first:N and last:N count
	FLOPs    int64    `json:"flops"`  // of one example's forward pass
	Batch    int      `json:"batch"`
	Notes    []string `json:"notes,omitempty"` // what a user should know

	Plan *Plan `json:"-"`
}

// Layer is a layer that owns weights.
type Layer struct {
	Name   string `json:"name"` // module path, which also selects it
	Op     string `json:"op"`   // ONNX operator
	Params int    `json:"params"`
	FLOPs  int64  `json:"flops"` // for one example, including following operations without weights
	State  string `json:"state"` // Frozen, Thawed, Partly or Tracking

	Node    string        `json:"node"` // path of the node that reads the weight
	Block   string        `json:"block,omitempty"`
	Weights []WeightState `json:"weights"`
}

// WeightState is one weight of a layer.
type WeightState struct {
	Name  string `json:"name"`
	Role  string `json:"role"` // weight, bias, norm, embedding and so on
	Shape []int  `json:"shape"`
	State string `json:"state"` // Frozen, Thawed, Partly or Tracking
}

// Block is a repeated part of the network.
type Block struct {
	Name   string `json:"name"`
	Params int    `json:"params"`
	Thawed int    `json:"params_thawed"`
}

// Cost is the predicted cost of a fit. Times come from runs of a few examples on this machine.
type Cost struct {
	// all from the start of the fit: reading the data, compiling, the frozen part, whose values are then
	// kept, and the features that a new head is standardised by
	FirstEpoch float64 `json:"first_epoch_seconds"`
	LaterEpoch float64 `json:"later_epoch_seconds"`
	// weights, gradients, optimiser state and activations; kept values are counted below
	TrainBytes int64 `json:"train_bytes"`
	// frozen activations of all examples, in memory or on disk
	KeptBytes int64 `json:"kept_bytes"`
	// the part of KeptBytes that is held in memory; 0 with option cache disk or off
	KeptMemory int64 `json:"kept_memory_bytes"`
	Checkpoint int64 `json:"checkpoint_bytes"`
	// frozen activations; 0 if they are always recomputed
	CachePerExample int64 `json:"cache_bytes_per_example"`

	Examples   int     `json:"examples"`
	Decode     float64 `json:"decode_seconds_per_example"` // 0 without data
	Frozen     float64 `json:"frozen_seconds_per_example"`
	Live       float64 `json:"live_seconds_per_example"`
	Calibrated float64 `json:"calibration_seconds"`
}

// Inspect reads a model and makes the plan of a fit with this configuration. If o.Predict is set,
// it also predicts the cost of that fit on this machine. It writes nothing.
func Inspect(ctx context.Context, cfg Config, o InspectOptions, opts ...Option) (*Inspection, error) {
	asked := cfg.Model
	sets, err := optionsOf(opts).sets(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	internal := o.internal(cfg)
	internal.Sets = sets
	in, err := inspect.Inspect(ctx, internal)
	if err != nil {
		return nil, badInput(err)
	}
	in.Model = asked
	return inspectionOf(in), nil
}

// Passes returns the graph of the whole model as text, before and after the compiler's passes for
// inference.
func Passes(ctx context.Context, cfg Config, o InspectOptions) (before, after string, err error) {
	if err := (*config.Config)(&cfg).Fetch(ctx); err != nil {
		return "", "", badInput(err)
	}
	before, after, err = inspect.InspectPasses(ctx, o.internal(cfg))
	return before, after, badInput(err)
}

func (o InspectOptions) internal(cfg Config) inspect.InspectOptions {
	return inspect.InspectOptions{Config: config.Config(cfg), Classes: o.Classes, Examples: o.Examples, Measure: o.Predict}
}

// Selectors lists an example of each kind of selector for Config.Thaw and Config.Freeze, and the
// blocks and layers of a model. If the path is "" there are no blocks and layers, nor does it fetch
// a model from the hub.
func Selectors(model string) ([]string, error) {
	if model == "" || layout.Is(model) {
		return freeze.SelectorExamples(), nil
	}
	m, err := onnx.Open(model)
	if err != nil {
		return nil, badInput(err)
	}
	var head []string
	if c := split.FindClassifier(m.Graph); c != nil {
		head = c.Weights
	}
	return append(freeze.SelectorExamples(), freeze.Describe(m.Graph, head).Selectors()...), nil
}

// Presets returns the names that Config.Preprocess accepts besides files.
func Presets() []string { return picture.PresetNames() }

func inspectionOf(in *inspect.Inspection) *Inspection {
	return &Inspection{
		ParamsTotal: in.ParamsTotal, ParamsThawed: in.ParamsThawed, Layers: each(in.Layers, layerOf), Frontier: in.Frontier, Predicted: (*Cost)(in.Predicted),
		Model: in.Model, Inputs: in.Inputs, Outputs: in.Outputs, Opset: in.Opset, Producer: in.Producer, Head: in.Head, Thaw: in.Thaw, Freeze: in.Freeze,
		Blocks: each(in.Blocks, func(b inspect.Block) Block { return Block(b) }), FLOPs: in.FLOPs, Batch: in.Batch, Notes: in.Notes, Plan: planOf(in.Plan),
	}
}

func layerOf(l inspect.Layer) Layer {
	return Layer{
		Name: l.Name, Op: l.Op, Params: l.Params, FLOPs: l.FLOPs, State: string(l.State), Node: l.Node, Block: l.Block,
		Weights: each(l.Weights, func(w inspect.WeightState) WeightState {
			return WeightState{w.Name, string(w.Role), w.Shape, string(w.State)}
		}),
	}
}
