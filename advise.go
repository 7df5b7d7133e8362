package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// Advice says which weights of a model to thaw for a data set. Its JSON form is what advise --json
// prints.
type Advice struct {
	Recommended Recommendation  `json:"recommended"`
	Candidates  []Candidate     `json:"candidates"`
	Depths      []DepthEvidence `json:"depths"` // from the input to the head
	Joint       *JointEvidence  `json:"joint,omitempty"`
	Gradients   []BlockGradient `json:"gradients"`
	Elastic     *ElasticChoice  `json:"elastic,omitempty"`
	Task        string          `json:"task"`
	Examples    int             `json:"examples"`
	Classes     int             `json:"classes"`
	Params      int             `json:"params_total"`
	Majority    float64         `json:"majority_accuracy"` // of always predicting the largest class
	Seconds     float64         `json:"seconds"`
	Notes       []string        `json:"notes,omitempty"`

	Blocks []string `json:"blocks"` // from the input to the head
}

// Recommendation is the plan to start with.
type Recommendation struct {
	Thaw   string `json:"thaw"` // for Config.Thaw
	Why    string `json:"why"`
	Sure   string `json:"sure"` // high, medium or low
	Doubts string `json:"doubts"`
}

// Candidate is a plan with its evidence and its predicted cost.
type Candidate struct {
	Thaw    string `json:"thaw"`              // for Config.Thaw
	Adapter string `json:"adapter,omitempty"` // for Config.Adapter
	// for ordering plans, not a forecast: accuracy on new examples if everything is mended that can
	// be
	Score      float64 `json:"score"`
	Seconds    float64 `json:"predicted_seconds"`
	Bytes      int64   `json:"predicted_bytes"` // memory during training
	Checkpoint int64   `json:"checkpoint_bytes"`
	Params     int     `json:"params_thawed"`
	Epochs     int     `json:"epochs"`
	// share of AdamW's first step in the trunk that falls on what this plan thaws
	Pull  float64 `json:"pull"`
	Depth float64 `json:"depth"` // share of the blocks in which it thaws something
}

// DepthEvidence is the result of a linear probe at one depth of the frozen trunk.
type DepthEvidence struct {
	Depth    string  `json:"depth"`    // the last block before it, or features for the head's input
	Blocks   int     `json:"blocks"`   // blocks before it
	Features int     `json:"features"` // width of the pooled value
	Train    float64 `json:"train_accuracy"`
	HeldOut  float64 `json:"held_out_accuracy"`
	Error    float64 `json:"held_out_error"` // standard error of HeldOut
	Gain     float64 `json:"gain"`           // over the probe of the head's input
	GainErr  float64 `json:"gain_error"`     // standard error of Gain
	LogME    float64 `json:"logme"`          // log evidence of a Bayesian linear model, per example
}

// JointEvidence is the result of a linear probe that reads all probed depths at once.
type JointEvidence struct {
	Features int     `json:"features"`
	Train    float64 `json:"train_accuracy"`
	HeldOut  float64 `json:"held_out_accuracy"`
	Gain     float64 `json:"gain"`       // over the probe of the head's input
	Error    float64 `json:"gain_error"` // standard error of Gain
}

// BlockGradient describes the gradients of one block over a few batches, starting at the pretrained
// weights and with a trained head.
type BlockGradient struct {
	Block  string `json:"block"`
	Params int    `json:"params"`

	RGN            float64 `json:"relative_gradient_norm"`
	SNR            float64 `json:"signal_to_noise"`
	Fisher         float64 `json:"fisher"`          // mean squared gradient
	Agreement      float64 `json:"agreement"`       // between the gradients of different batches
	GradientChange float64 `json:"gradient_change"` // of the norm, between the first and later batches
	WeightChange   float64 `json:"weight_change"`   // per step, relative to the size of the weights
	// share of the trunk's decrease of the loss, to first order
	Importance float64 `json:"importance"`
	// share of the trunk's weight gradients, in operations
	Cost    float64 `json:"backward_cost"`
	Elastic float64 `json:"elastic_weights"` // share of its weights in ElasticChoice

	Own map[string]float64 `json:"own,omitempty"` // other criteria, by name
}

// ElasticChoice is the set of weights with the greatest importance that half of a backward pass can
// train.
type ElasticChoice struct {
	Weights    []string `json:"weights"`
	Of         int      `json:"of"`         // weights to pick from
	Importance float64  `json:"importance"` // share of the trunk's
	Work       float64  `json:"work"`       // share of the backward pass through the trunk
}

// Advise gathers evidence on what to thaw of cfg.Model for cfg.Data, without training the model. It
// uses linear probes at several depths of the frozen trunk, gradient statistics, and the predicted
// cost of every plan of a ladder. For tasks other than classify there are no probes, and plans have
// no scores. Advise does not look at validation examples. It writes only to the cache.
func Advise(ctx context.Context, cfg Config, opts ...Option) (*Advice, error) {
	defer kernel.Use(cfg.Threads)()
	o := optionsOf(opts)
	sets, err := o.sets(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	a, err := choose.Advise(ctx, choose.AdviseOptions{Config: config.Config(cfg), Sets: sets, Progress: o.encoded})
	if err != nil {
		return nil, badInput(err)
	}
	return &Advice{
		Recommended: Recommendation(a.Recommended),
		Candidates:  each(a.Candidates, func(c choose.Candidate) Candidate { return Candidate(c) }),
		Depths:      each(a.Depths, func(d choose.DepthEvidence) DepthEvidence { return DepthEvidence(d) }),
		Joint:       (*JointEvidence)(a.Joint),
		Gradients:   each(a.Gradients, blockGradientOf),
		Elastic:     (*ElasticChoice)(a.Elastic),
		Task:        a.Task, Examples: a.Examples, Classes: a.Classes, Params: a.Params, Majority: a.Majority, Seconds: a.Seconds, Notes: a.Notes, Blocks: a.Blocks,
	}, nil
}

func blockGradientOf(g choose.BlockGradient) BlockGradient {
	b := BlockGradient{Block: g.Block, Params: g.Params, Importance: g.Importance, Cost: g.Cost, Elastic: g.Elastic}
	for name, v := range g.Scores {
		switch name {
		case "relative_gradient_norm":
			b.RGN = v
		case "signal_to_noise":
			b.SNR = v
		case "fisher":
			b.Fisher = v
		case "agreement":
			b.Agreement = v
		case "gradient_change":
			b.GradientChange = v
		case "weight_change":
			b.WeightChange = v
		default:
			b.Own = with(b.Own, name, v)
		}
	}
	return b
}
