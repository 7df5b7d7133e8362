package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// How a tensor of an exported state dict was made.
const (
	Exact   = "exact"   // its numbers are those of the model, or of the checkpoint, to the bit
	Rounded = "rounded" // it was computed, and agrees with the model to rounding
)

// The keys of an exported file's metadata.
const (
	keyFormat  = "format" // what PyTorch's own reader expects: "pt"
	keyTensors = "permafrost.tensors"
	keyNotes   = "permafrost.notes"
)

// Exported is one tensor of a state dict made from a model.
type Exported struct {
	Name   string
	Shape  []int
	From   string // in the model; "" for what only the checkpoint has
	How    string // how the name was found and what was undone
	Exact  string // Exact or Rounded
	tensor *tensor.Tensor
}

// StateDict is a model's tensors under their PyTorch names.
type StateDict struct {
	Tensors []*Exported
	Notes   []string // what a reader of the file should know
	// Metadata are more of what a safetensors file says of itself.
	Metadata map[string]string
}

// Only leaves out the tensors that are not made from one of these of the model.
func (d *StateDict) Only(from func(name string) bool) {
	d.Tensors = slices.DeleteFunc(d.Tensors, func(t *Exported) bool { return !from(t.From) })
}

// file is the state dict as a safetensors file, whose metadata says of every tensor whether it is
// exact.
func (d *StateDict) file() (*safetensors.File, error) {
	f := &safetensors.File{Tensors: map[string]*tensor.Tensor{}, Metadata: map[string]string{keyFormat: "pt"}}
	exact := map[string]string{}
	for _, t := range d.Tensors {
		f.Tensors[t.Name] = t.tensor
		exact[t.Name] = t.Exact
	}
	b, err := json.Marshal(exact)
	if err != nil {
		return nil, err
	}
	maps.Copy(f.Metadata, d.Metadata)
	f.Metadata[keyTensors] = string(b)
	if len(d.Notes) > 0 {
		f.Metadata[keyNotes] = strings.Join(d.Notes, "\n")
	}
	return f, nil
}

func (d *StateDict) add(name string, t *tensor.Tensor, from, how, exact string) {
	d.Tensors = append(d.Tensors, &Exported{name, t.Shape, from, how, exact, t})
}

func (d *StateDict) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// Export gives a model's tensors under their PyTorch names. These are their own names where the
// exporter kept them, or else come from the path of the node that reads them; matrices are
// transposed back. Convolutions with folded batch norm stay folded. Head names the layer that a new
// linear head replaces, "" for the head's own name.
func Export(m *onnx.Model, head string) (*StateDict, error) {
	d := &StateDict{Notes: []string{}}
	ts := targets(m)
	users := m.Graph.Users()
	biases := map[string]bool{} // modules with a convolution whose bias the exporter named
	folded := 0
	placed := head == ""
	taken := map[string]bool{}
	for _, t := range ts {
		if !t.madeUp() {
			taken[t.name] = true
		}
	}
	for _, t := range ts {
		switch {
		case !t.madeUp():
			name, how := t.name, "own name"
			if layer, own := parent(t.name); head != "" && headModule.MatchString(layer) {
				name, how, placed = join(head, own), "in place of "+head, true
			}
			d.add(name, t.param.Tensor, t.name, how, Exact)
			continue
		case t.param.Node >= 0 || t.alias && t.node == nil:
			continue // a constant, no weight
		}
		if names, shape := t.gateParts(m.Graph); names != nil {
			f := &gates{order: gateOrders[t.op()]}
			for _, name := range names {
				f.parts = append(f.parts, &source{Named: Named{name, &tensor.Tensor{Shape: shape}}})
			}
			for i, v := range f.split(t.param.Tensor) {
				d.add(names[i], v, t.name, "node path, gates in order", Exact)
			}
			continue
		}
		i := slices.IndexFunc(t.guesses(users), func(g string) bool { return !taken[g] && t.module != "" })
		if i < 0 {
			if o := copied(t, ts); o != nil {
				d.note("%s is a copy of %s and left out", t.name, o.name)
				continue
			}
			d.add(t.name, t.param.Tensor, t.name, "own name", Exact)
			d.note("%s has no name in PyTorch that its node's path tells", t.name)
			continue
		}
		name := t.guesses(users)[i]
		taken[name] = true
		v, how := t.param.Tensor, "node path"
		if t.transposable() {
			v, how = turn(v), how+", transposed"
		}
		if strings.HasPrefix(t.op(), "Conv") {
			if biases[t.module] {
				folded++
			}
			biases[t.module] = true
		}
		d.add(name, v, t.name, how, Exact)
	}
	if !placed {
		return nil, fmt.Errorf("option head %s: the model has no new linear head that could get this name", head)
	}
	if folded > 0 {
		d.note("%d convolutions hold the batch norm that the exporter folded into them; option checkpoint undoes that", folded)
	}
	return d, nil
}

// copied finds a tensor with a name of its own that t is a copy of, transposed or not.
func copied(t *target, all []*target) *target {
	own := t.param.Tensor
	for _, o := range all {
		other := o.param.Tensor
		if o == t || o.madeUp() || len(own.Shape) != 2 || len(other.Shape) != 2 || other.DType != own.DType || other.Len() != own.Len() {
			continue
		}
		if same(other, own) || other.Shape[0] == own.Shape[1] && same(turn(other), own) {
			return o
		}
	}
	return nil
}

// headModule matches where a fit puts a new linear classifier.
var headModule = regexp.MustCompile(`^head\d*\.linear$`)

// ExportAs gives a model's tensors in the form of the state dict c that it was made from, with c's
// names, order and shapes. A tensor that the model still holds unchanged is c's own, and exact.
//
// Of changed tensors, transposed matrices come back exactly and folded convolutions up to rounding:
// batch norm keeps its parameters, the weight of the convolution is divided by their scale, and the
// change of the bias is added to the bias of the norm, or to that of the convolution where it has
// one. Integer buffers are c's. A new linear head replaces the layer of c that it fits and that the
// model lacks. Tensors that only the model has come last, under their own names.
func ExportAs(m *onnx.Model, c *Checkpoint, o Options) (*StateDict, error) {
	o.Convert = true
	r, err := Find(m, c, o)
	if err != nil {
		return nil, err
	}
	if len(r.Matched) == 0 {
		return nil, fmt.Errorf("nothing matches: the checkpoint is of another architecture")
	}
	d := &StateDict{Notes: []string{}}
	values := map[string]*Exported{}
	give := func(s *source, t *tensor.Tensor, from, how, exact string) {
		values[s.Name] = &Exported{s.Name, t.Shape, from, how, exact, t}
	}
	folds := map[*fold][2]*Match{} // weight and bias
	for _, mt := range r.Matched {
		now := mt.target.param.Tensor
		switch {
		case mt.fold != nil:
			pair := folds[mt.fold]
			pair[mt.form-foldedWeight] = mt
			folds[mt.fold] = pair
		case same(mt.Value(), now) && mt.tied:
		case mt.tied:
			d.add(mt.Tensor, now, mt.Tensor, mt.How+" before", Exact)
			d.note("%s is no longer equal to %s: it stands under its own name", mt.Tensor, mt.source.Name)
		case mt.form == recurrent && same(mt.Value(), now):
			for _, s := range mt.gates.parts {
				give(s, s.Tensor, mt.Tensor, mt.How, Exact)
			}
		case mt.form == recurrent:
			for i, t := range mt.gates.split(now) {
				give(mt.gates.parts[i], t, mt.Tensor, mt.How, Exact)
			}
		case same(mt.Value(), now):
			give(mt.source, mt.source.Tensor, mt.Tensor, mt.How, Exact)
		case mt.form == transposed:
			give(mt.source, turn(now), mt.Tensor, mt.How, Exact)
		case mt.form == gatheredRows:
			t, ok := mt.table.scatter(now)
			if !ok {
				return nil, fmt.Errorf("%s was gathered from %s, and in training each of its elements went its own way: no table gives them, so freeze it (option freeze '%s')", mt.Tensor, mt.source.Name, mt.Tensor)
			}
			give(mt.source, t, mt.Tensor, mt.How, Exact)
		default:
			give(mt.source, now.Reshape(mt.source.Tensor.Shape...), mt.Tensor, mt.How, Exact)
		}
	}
	for f, pair := range folds {
		if pair[0] == nil || pair[1] == nil {
			return nil, fmt.Errorf("%s: only a part of the folded convolution was found", f.conv.Name)
		}
		f.undo(pair[0], pair[1], give)
	}
	heads := r.placeHead(give)
	for _, t := range c.Tensors {
		v := values[t.Name]
		switch {
		case v != nil:
			d.Tensors = append(d.Tensors, v)
		case !t.Tensor.DType.IsFloat():
			d.add(t.Name, t.Tensor, "", "the checkpoint's", Exact)
		default:
			d.note("%s is not in the model", t.Name)
		}
	}
	for _, l := range slices.Concat(r.Missing, r.Kept) {
		t := r.target(l.Name)
		if heads[t] || t.madeUp() && t.param.Node >= 0 || l.Why == "a constant of the model" {
			continue
		}
		d.add(t.name, t.param.Tensor, t.name, "own name", Exact)
	}
	return d, nil
}

func (r *Result) target(name string) *target {
	return r.targets[slices.IndexFunc(r.targets, func(t *target) bool { return t.name == name })]
}

func same(a, b *tensor.Tensor) bool {
	return a.DType == b.DType && a.Shape.Equal(b.Shape) && string(a.Bytes) == string(b.Bytes)
}

// placeHead puts a new linear head in the place of a layer of the checkpoint that the model lacks
// and that reads as many features.
func (r *Result) placeHead(give func(s *source, t *tensor.Tensor, from, how, exact string)) map[*target]bool {
	done := map[*target]bool{}
	at := func(name string) *target {
		if !slices.ContainsFunc(r.Missing, func(l Lack) bool { return l.Name == name }) {
			return nil
		}
		return r.target(name)
	}
	module := ""
	for _, l := range r.Missing {
		if layer, _ := parent(l.Name); headModule.MatchString(layer) {
			module = layer
		}
	}
	w, b := at(module+".weight"), at(module+".bias")
	if w == nil || b == nil {
		return done
	}
	loose := map[string]*source{}
	var weights []*source
	for _, s := range r.sources {
		if s.used {
			continue
		}
		loose[s.key] = s
		if sh := s.Tensor.Shape; strings.HasSuffix(s.key, "weight") && len(sh) >= 2 && sh[1] == w.shape()[1] && sh[1:].Len() == sh[1] {
			weights = append(weights, s)
		}
	}
	if len(weights) != 1 {
		return done
	}
	layer, _ := parent(weights[0].key)
	how := "in place of " + layer
	shape := weights[0].Tensor.Shape.Clone()
	shape[0] = w.shape()[0]
	bias := loose[join(layer, "bias")]
	if bias == nil {
		return done
	}
	give(weights[0], w.param.Tensor.Reshape(shape...), w.name, how, Exact)
	give(bias, b.param.Tensor, b.name, how, Exact)
	done[w], done[b] = true, true
	return done
}

// undo separates a folded convolution from its batch norm.
func (f *fold) undo(weight, bias *Match, give func(s *source, t *tensor.Tensor, from, how, exact string)) {
	w, b := weight.target.param.Tensor, bias.target.param.Tensor
	sameW, sameB := same(weight.Value(), w), same(bias.Value(), b)
	keep := func(s *source, from *Match) {
		if s != nil {
			give(s, s.Tensor, from.Tensor, from.How, Exact)
		}
	}
	for _, s := range append(f.parts(), f.conv, f.convBias) {
		keep(s, weight)
	}
	scale, gamma := f.scales(), values(f.norm.weight, f.norm.channels, 1)
	mean, eps := f.norm.mean.Tensor.Float64s(), f.eps
	variance := f.norm.vari.Tensor.Float64s()
	shift := values(f.norm.shift, f.norm.channels, 0)
	oldW := f.conv.Tensor.Float64s()
	oldB := values(f.convBias, f.norm.channels, 0)
	newW, newB := w.Float64s(), b.Float64s()
	wasW, wasB := weight.Value().Float64s(), bias.Value().Float64s()

	// A channel of scale 0 determines no weights. Where it was trained, it gets the scale 1.
	reset := make([]bool, len(scale))
	anyReset := false
	for i := range newW {
		if c := f.channel(i); scale[c] == 0 && newW[i] != wasW[i] {
			reset[c], anyReset = true, true
		}
	}
	for c := range reset {
		if reset[c] {
			gamma[c], scale[c] = f.round(math.Sqrt(variance[c]+eps)), 1
		}
	}
	if !sameW {
		for i := range newW {
			if c := f.channel(i); newW[i] != wasW[i] || reset[c] {
				oldW[i] = newW[i] / scale[c]
			}
		}
		give(f.conv, fromFloat64s(oldW, f.conv.Tensor.DType, f.conv.Tensor.Shape), weight.Tensor, weight.How+", undone", Rounded)
	}
	if anyReset && f.norm.weight != nil {
		give(f.norm.weight, fromFloat64s(gamma, f.norm.weight.Tensor.DType, f.norm.weight.Tensor.Shape), weight.Tensor, weight.How+", undone", Rounded)
	}
	if sameB && !anyReset {
		return
	}
	for c := range newB {
		switch {
		case newB[c] == wasB[c] && !reset[c]:
		case f.norm.shift != nil:
			shift[c] = newB[c] - (oldB[c]-mean[c])*scale[c]
		default:
			oldB[c] = newB[c]/scale[c] + mean[c]
		}
	}
	into, v := f.norm.shift, shift
	if into == nil {
		into, v = f.convBias, oldB
	}
	if into != nil {
		give(into, fromFloat64s(v, into.Tensor.DType, into.Tensor.Shape), bias.Tensor, bias.How+", undone", Rounded)
	}
}
