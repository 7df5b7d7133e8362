package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/freeze"
)

// The states that a Plan gives a weight, and that a layer has.
const (
	Frozen   = "frozen"   // its bytes never change
	Thawed   = "thawed"   // it is trained
	Partly   = "partly"   // some of its elements are trained, the others keep their bytes
	Tracking = "tracking" // running statistics of a thawed batch normalisation: they follow the data
)

// Plan says for every weight of one model whether it trains. Its JSON form is plan.json.
type Plan struct {
	Version   int        `json:"version"`          // of the format
	Model     string     `json:"model"`            // SHA-256 of the model file that it was made for, in hex
	Thaw      []string   `json:"thaw"`             // selectors of what trains
	Freeze    []string   `json:"freeze,omitempty"` // selectors of what stays frozen all the same
	BatchNorm string     `json:"batchnorm"`        // auto or frozen, as in Config
	Head      string     `json:"head"`             // the kind of head, keep for the model's own
	Share     *PlanShare `json:"share,omitempty"`  // of what is thawed, where only a share trains
	// Params has every weight of the model, from the input to the head.
	Params []PlanParam `json:"params"`
}

// PlanShare says that only a share of the elements of the thawed weights trains.
type PlanShare struct {
	By       string  `json:"by"`                 // fisher: largest squared gradients; magnitude: largest absolute values
	Share    float64 `json:"share"`              // above 0, up to 1
	Elements int     `json:"elements,omitempty"` // how many these are, once they are known
}

// PlanParam is a plan's word on one weight.
type PlanParam struct {
	Name  string   `json:"name"`
	State string   `json:"state"`          // Frozen, Thawed, Partly or Tracking
	LR    float64  `json:"lr,omitempty"`   // multiplier of the learning rate; 0: 1
	Rows  [][2]int `json:"rows,omitempty"` // of Partly: half-open ranges along the first axis that train
	Mask  Bits     `json:"mask,omitempty"` // of Partly: the elements that train
	Tied  []string `json:"tied,omitempty"` // the layers that share this weight, where there are several
}

// Bits has one bit for each element of a tensor, in order, least significant bit of a byte first.
type Bits []byte

// Has reports bit i.
func (b Bits) Has(i int) bool { return b[i/8]>>(i%8)&1 == 1 }

// MarshalText writes the bits deflated and in base64.
func (b Bits) MarshalText() ([]byte, error) { return freeze.Bits(b).MarshalText() }

// UnmarshalText reads what MarshalText wrote.
func (b *Bits) UnmarshalText(text []byte) error { return (*freeze.Bits)(b).UnmarshalText(text) }

// NewPlan reads a model and says what a fit with these options does with each of its weights.
// Classes is the number of classes of the data. It errors on selectors that match nothing, naming
// the nearest.
func NewPlan(ctx context.Context, cfg Config, classes int) (*Plan, error) {
	in, err := Inspect(ctx, cfg, InspectOptions{Classes: classes})
	if err != nil {
		return nil, err
	}
	return in.Plan, nil
}

func planOf(p *freeze.Plan) *Plan {
	if p == nil {
		return nil
	}
	return &Plan{
		Version: p.Version, Model: p.Model, Thaw: p.Thaw, Freeze: p.Freeze, BatchNorm: p.BatchNorm, Head: p.Head, Share: (*PlanShare)(p.Share),
		Params: each(p.Params, func(e freeze.Entry) PlanParam {
			return PlanParam{e.Name, string(e.State), e.LR, e.Rows, Bits(e.Mask), e.Tied}
		}),
	}
}
