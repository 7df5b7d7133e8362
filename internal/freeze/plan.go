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
	Frozen State = "frozen" // its bytes never change
	Thaw   State = "thawed" // it is trained
	Partly State = "partly" // some of its elements are trained, the others keep their bytes
	// running statistics of a thawed batch normalisation: they follow the data
	Tracking State = "tracking"
)

// Entry is what a plan says of one weight.
type Entry struct {
	Name  string  `json:"name"`
	State State   `json:"state"`
	LR    float64 `json:"lr,omitempty"` // multiplier of the learning rate; absent: 1
	// Partly: half-open ranges along the first axis that train
	Rows [][2]int `json:"rows,omitempty"`
	// Partly: one bit an element, least significant first, 1 trains
	Mask Bits `json:"mask,omitempty"`
	// the layers that share this weight, where there are several
	Tied []string `json:"tied,omitempty"`
}

// Plan says for every weight of a model whether it trains. It is written to a run folder as
// plan.json, kept in every checkpoint, and read by verify.
type Plan struct {
	Version   int      `json:"version"`
	Model     string   `json:"model"` // sha256 of the model file that it is for
	Thaw      []string `json:"thaw"`
	Freeze    []string `json:"freeze,omitempty"`
	BatchNorm string   `json:"batchnorm"` // auto or frozen, see New
	Head      string   `json:"head"`      // the kind of head, "keep" for the model's own
	Adapter   string   `json:"adapter,omitempty"`
	Merged    bool     `json:"adapter_merged,omitempty"` // the adapter becomes part of frozen weights
	Cut       string   `json:"cut,omitempty"`            // the block behind which the model was cut, "" for none
	Skip      []Bypass `json:"skip,omitempty"`           // blocks that were left out before it
	// where only a share of the elements trains; Params holds it once it is taken
	Share  *Share  `json:"share,omitempty"`
	Params []Entry `json:"params"`
	byName map[string]*Entry
}

// Bypass says how a model goes on without one of its residual blocks: whatever read the value Value
// reads Instead, which the block read.
type Bypass struct {
	Block   string `json:"block"`
	Value   string `json:"value"`
	Instead string `json:"instead"`
}

// Options make a plan.
type Options struct {
	Thaw   []string // selectors of what trains; none stands for the head
	Freeze []string // selectors of what stays frozen although Thaw names it
	// "auto" or "": running statistics of a layer with a thawed scale or bias follow the batches;
	// "frozen": they never change
	BatchNorm string
	Model     string
	Head      string
	Adapter   string   // kind of adapter, "" for none
	Merged    bool     // the adapter is merged into frozen weights in the end
	Cut       string   // see Plan
	Skip      []Bypass // see Plan
	NewHead   []string // names of weights that are new and therefore always train
}

// New makes a plan for a model's weights. It errors as Select does, and where nothing would train.
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
	p := &Plan{Version: 1, Model: o.Model, Thaw: thaw, Freeze: o.Freeze, BatchNorm: bn, Head: o.Head, Adapter: o.Adapter, Merged: o.Merged, Cut: o.Cut, Skip: o.Skip, Share: chosen.share}
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

// magnitudes are the absolute values of the weights to which the plan's share applies.
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

// track sets the state of running statistics. It follows from the state of their layer.
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

// Unfreezes reports whether BatchNorm auto lets running statistics of this plan follow the data.
func (p *Plan) Unfreezes(set *Set) bool {
	auto := Plan{BatchNorm: "auto", Params: slices.Clone(p.Params)}
	auto.track(set)
	return slices.ContainsFunc(auto.Params, func(e Entry) bool { return e.State == Tracking })
}

// Of gives the entry of a weight. A weight that the plan does not know is frozen.
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

// Thawed is the weights that a plan trains, with their entries. Only New and Plan make one, so code
// that changes weights never gets the frozen ones.
type Thawed struct {
	weights []*Weight
	entries []Entry
}

// Thawed gives the weights that train.
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

// Elements is the number of elements that train.
func (t Thawed) Elements() int {
	n := 0
	for i, w := range t.weights {
		n += t.entries[i].trains(w.Value.Type.Shape)
	}
	return n
}

// trains counts the elements that train, of a weight of the given shape.
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

// ElementMask gives one byte for each element, 1 where it trains. It is nil where all do.
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

// Digest identifies what the plan does. Two plans with the same states have the same digest,
// however their selectors are written.
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

// FrozenValue reports whether the plan freezes a weight of a graph. Values that the plan does not
// know, such as those of an adapter, are not frozen.
func (p *Plan) FrozenValue(v *ir.Value) bool { return p.Of(v.Name).State == Frozen }
