package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/freeze"
)

// The states that a Plan gives a weight, and that a layer has.
const (
	Frozen = "frozen" // its bytes never change
	Thawed = "thawed" // it is trained
	Partly = "partly" // some of its elements are trained, the others keep their bytes
	// running statistics of a thawed batch normalisation: updated from the data
	Tracking = "tracking"
)

// Plan says for every weight of a model whether it trains. Its JSON form is plan.json.
type Plan struct {
	Version   int      `json:"version"`                  // of the format
	Model     string   `json:"model"`                    // SHA-256 of the model file that it was made for, in hex
	Thaw      []string `json:"thaw"`                     // selectors of what trains
	Freeze    []string `json:"freeze,omitempty"`         // selectors of what stays frozen anyway
	BatchNorm string   `json:"batchnorm"`                // auto or frozen, as in Config
	Head      string   `json:"head"`                     // the kind of head, keep for the model's own
	Adapter   string   `json:"adapter,omitempty"`        // as in Config
	Merged    bool     `json:"adapter_merged,omitempty"` // the adapter became part of frozen weights
	// the share of the thawed weights that trains, if not all
	Share *PlanShare `json:"share,omitempty"`
	// Params lists every weight of the model, from the input to the head.
	Params []PlanParam `json:"params"`
}

// PlanShare says that only a share of the elements of the thawed weights trains.
type PlanShare struct {
	By       string  `json:"by"`                 // fisher: largest squared gradients; magnitude: largest absolute values
	Share    float64 `json:"share"`              // above 0, up to 1
	Elements int     `json:"elements,omitempty"` // their number, once known
}

// PlanParam is a plan's decision on one weight.
type PlanParam struct {
	Name  string  `json:"name"`
	State string  `json:"state"`        // Frozen, Thawed, Partly or Tracking
	LR    float64 `json:"lr,omitempty"` // multiplier of the learning rate; 0: 1
	// for Partly: half-open ranges along the first axis that train
	Rows [][2]int `json:"rows,omitempty"`
	Mask Bits     `json:"mask,omitempty"` // for Partly: the elements that train
	// the layers that share this weight, if there are several
	Tied []string `json:"tied,omitempty"`
}

// Bits has one bit for each element of a tensor, in order, least significant bit of a byte first.
type Bits []byte

// Has reports bit i.
func (b Bits) Has(i int) bool { return b[i/8]>>(i%8)&1 == 1 }

// MarshalText writes the bits deflated and in base64.
func (b Bits) MarshalText() ([]byte, error) { return freeze.Bits(b).MarshalText() }

// UnmarshalText reads what MarshalText wrote.
func (b *Bits) UnmarshalText(text []byte) error { return (*freeze.Bits)(b).UnmarshalText(text) }

// NewPlan reads a model and returns what a fit with these options does with each of its weights.
// classes is the number of classes of the data. It errors on selectors that match nothing, and
// suggests the nearest name.
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
		Version: p.Version, Model: p.Model, Thaw: p.Thaw, Freeze: p.Freeze, BatchNorm: p.BatchNorm, Head: p.Head, Adapter: p.Adapter, Merged: p.Merged, Share: (*PlanShare)(p.Share),
		Params: each(p.Params, func(e freeze.Entry) PlanParam {
			return PlanParam{e.Name, string(e.State), e.LR, e.Rows, Bits(e.Mask), e.Tied}
		}),
	}
}
