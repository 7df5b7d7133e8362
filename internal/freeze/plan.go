package freeze

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// State is what a plan does with one weight.
type State string

// The states.
const (
	Frozen   State = "frozen"   // its bytes never change
	Thaw     State = "thawed"   // it is trained
	Partly   State = "partly"   // some of its elements are trained, the others keep their bytes
	Tracking State = "tracking" // running statistics of a thawed batch normalisation: they follow the data
)

// Entry is a plan's word on one weight.
type Entry struct {
	Name  string   `json:"name"`
	State State    `json:"state"`
	LR    float64  `json:"lr,omitempty"`   // multiplier of the learning rate; absent: 1
	Rows  [][2]int `json:"rows,omitempty"` // Partly: half-open ranges along the first axis that train
	Mask  Bits     `json:"mask,omitempty"` // Partly: one bit an element, least significant first, 1 trains
	Tied  []string `json:"tied,omitempty"` // the layers that share this weight, where there are several
}

// Plan says for every weight of one model whether it trains. It is written as plan.json beside a run,
// carried in every checkpoint, and read by verify.
type Plan struct {
	Version   int      `json:"version"`
	Model     string   `json:"model"` // sha256 of the model file it was made for
	Thaw      []string `json:"thaw"`
	Freeze    []string `json:"freeze,omitempty"`
	BatchNorm string   `json:"batchnorm"`       // auto or frozen, see New
	Head      string   `json:"head"`            // the kind of head, "keep" for the model's own
	Share     *Share   `json:"share,omitempty"` // of what is thawed, where only a share trains; Params hold it once it is known
	Params    []Entry  `json:"params"`
	byName    map[string]*Entry
}

// Options make a plan.
type Options struct {
	Thaw      []string // selectors of what trains; none means the head
	Freeze    []string // selectors of what stays frozen all the same
	BatchNorm string   // "auto" (or ""): statistics of a layer with a thawed scale or bias follow the batches; "frozen": never
	Model     string
	Head      string
	NewHead   []string // names of weights that are new and therefore always train
}

// New makes a plan for a model's weights. The errors are those of Select, and a plan that trains nothing.
func New(set *Set, o Options) (*Plan, error) {
	thaw := o.Thaw
	if len(thaw) == 0 {
		thaw = []string{"head"}
	}
	chosen, err := set.Choose(thaw)
	if err != nil {
		return nil, option.Errorf("thaw", "%w", err)
	}
	taken, err := set.Choose(o.Freeze)
	if err != nil {
		return nil, option.Errorf("freeze", "%w", err)
	}
	if taken.share != nil {
		return nil, option.Errorf("freeze", "%s is for option thaw: the numbers outside of the share stay frozen", taken.share.By)
	}
	if chosen.share != nil && !slices.ContainsFunc(chosen.weights(set), func(w *Weight) bool { return !w.Head }) {
		for _, w := range set.Weights {
			if !w.Head && w.Role.Trains() {
				chosen.add(w, nil, true)
			}
		}
	}
	chosen.take(taken)
	bn := o.BatchNorm
	switch bn {
	case "":
		bn = "auto"
	case "auto", "frozen":
	default:
		return nil, fmt.Errorf("option batchnorm %q: want auto or frozen", bn)
	}
	p := &Plan{Version: 1, Model: o.Model, Thaw: thaw, Freeze: o.Freeze, BatchNorm: bn, Head: o.Head, Share: chosen.share}
	trains := 0
	for _, w := range set.Weights {
		e := chosen.entry(w)
		if slices.Contains(o.NewHead, w.Name) {
			e = Entry{Name: w.Name, State: Thaw}
		}
		if e.State != Frozen {
			trains++
		}
		if len(w.Nodes) > 1 {
			e.Tied = w.Nodes
		}
		p.Params = append(p.Params, e)
	}
	if trains == 0 {
		return nil, fmt.Errorf("the plan trains nothing: thaw something, for example option thaw head or option thaw last:1")
	}
	p.track(set)
	if p.Share == nil {
		return p, nil
	}
	if p.Share.By == ByMagnitude {
		return p, p.Mask(set, magnitudes(set, p))
	}
	_, err = p.Share.of(p.maskable(set))
	return p, err
}

// magnitudes are the absolute values of what a plan's share is taken of.
func magnitudes(set *Set, p *Plan) map[string][]float32 {
	out := map[string][]float32{}
	for _, w := range set.Weights {
		if p.Masked(w) {
			for _, v := range w.Value.Data.Float64s() {
				out[w.Name] = append(out[w.Name], float32(math.Abs(v)))
			}
		}
	}
	return out
}

// track sets the state of running statistics, which follows from their layer's.
func (p *Plan) track(set *Set) {
	p.byName = nil
	for i := range p.Params {
		e := &p.Params[i]
		w := set.ByName(e.Name)
		if w == nil || w.Role != RoleStat {
			continue
		}
		e.State = Frozen
		for _, o := range w.norm {
			if s := p.Of(o.Name).State; p.BatchNorm == "auto" && (s == Thaw || s == Partly) {
				e.State = Tracking
			}
		}
	}
}

// Of is the plan's word on a weight; a weight it does not know is frozen.
func (p *Plan) Of(name string) Entry {
	if p.byName == nil {
		p.byName = make(map[string]*Entry, len(p.Params))
		for i := range p.Params {
			p.byName[p.Params[i].Name] = &p.Params[i]
		}
	}
	if e := p.byName[name]; e != nil {
		return *e
	}
	return Entry{Name: name, State: Frozen}
}

// Thawed is the part of a model's weights that a plan trains, with what the plan says of each. Only
// New and Plan make one, so code that changes weights cannot be handed the whole set.
type Thawed struct {
	weights []*Weight
	entries []Entry
}

// Thawed picks the weights that train.
func (p *Plan) Thawed(set *Set) Thawed {
	var t Thawed
	for _, w := range set.Weights {
		if e := p.Of(w.Name); e.State == Thaw || e.State == Partly {
			t.weights = append(t.weights, w)
			t.entries = append(t.entries, e)
		}
	}
	return t
}

// Len is the number of weights.
func (t Thawed) Len() int { return len(t.weights) }

// Each calls fn for every weight in order.
func (t Thawed) Each(fn func(w *Weight, e Entry)) {
	for i, w := range t.weights {
		fn(w, t.entries[i])
	}
}

// Elements is the number of single numbers that train.
func (t Thawed) Elements() int {
	n := 0
	for i, w := range t.weights {
		n += t.entries[i].trains(w.Value.Type.Shape)
	}
	return n
}

// trains counts the elements of a weight of this shape that train.
func (e Entry) trains(shape []int) int {
	m := e.ElementMask(shape)
	if m == nil {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return n
	}
	n := 0
	for _, b := range m {
		n += int(b)
	}
	return n
}

// ElementMask gives one byte an element, 1 where it trains, or nil when all do.
func (e Entry) ElementMask(shape []int) []uint8 {
	if e.State != Partly {
		return nil
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	m := make([]uint8, n)
	if len(shape) > 0 && shape[0] > 0 {
		row := n / shape[0]
		for _, r := range e.Rows {
			for i := max(r[0], 0) * row; i < min(r[1], shape[0])*row; i++ {
				m[i] = 1
			}
		}
	}
	for i := 0; i < n && i/8 < len(e.Mask); i++ {
		if e.Mask[i/8]>>(i%8)&1 == 1 {
			m[i] = 1
		}
	}
	return m
}

// Digest identifies the plan by what it does: two plans with the same states have the same digest,
// however their selectors were written.
func (p *Plan) Digest() string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode(p.BatchNorm) // a hash takes every write
	for _, e := range p.Params {
		e.Tied = nil
		_ = enc.Encode(e)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// FrozenValue reports whether a weight of a graph is frozen under the plan; new values that the plan
// does not know, such as those of an adapter, are not.
func (p *Plan) FrozenValue(v *ir.Value) bool { return p.Of(v.Name).State == Frozen }
