package checkpoint

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// norm is a batch normalisation of the checkpoint that the model has no node for.
type norm struct {
	module                    string
	weight, shift, mean, vari *source // weight and shift are nil where the layer is not affine
	channels                  int
}

// fold is a convolution of the checkpoint with the batch norm that was folded into it:
//
//	scale = weight / sqrt(var + eps)
//	W'    = W * scale               for every output channel
//	b'    = (b - mean) * scale + bias
//
// in this order and in float32 (float64 where the checkpoint is), as PyTorch's exporter computes
// it.
type fold struct {
	norm        *norm
	conv        *source
	convBias    *source // nil where the convolution had none
	eps         float64
	outputFirst bool // output channels are the first axis: not so for ConvTranspose
}

// parts are the tensors of the batch norm.
func (f *fold) parts() []*source {
	return slices.DeleteFunc([]*source{f.norm.weight, f.norm.shift, f.norm.mean, f.norm.vari}, func(s *source) bool { return s == nil })
}

// round is the rounding of one operation of the computation.
func (f *fold) round(v float64) float64 {
	if f.conv.Tensor.DType == tensor.Float64 {
		return v
	}
	return float64(float32(v))
}

// scales gives the factor of every output channel.
func (f *fold) scales() []float64 {
	v := f.norm.vari.Tensor.Float64s()
	g := values(f.norm.weight, len(v), 1)
	eps := f.round(f.eps)
	for i := range v {
		v[i] = f.round(g[i] / f.round(math.Sqrt(f.round(v[i]+eps))))
	}
	return v
}

// values is the contents of s, or n times def where there is no s.
func values(s *source, n int, def float64) []float64 {
	if s != nil {
		return s.Tensor.Float64s()
	}
	return slices.Repeat([]float64{def}, n)
}

// channel is the output channel of element i of the weight.
func (f *fold) channel(i int) int {
	s := f.conv.Tensor.Shape
	if f.outputFirst {
		return i / (s.Len() / s[0])
	}
	return i / s[2:].Len() % s[1]
}

func (f *fold) weight(dt tensor.DType) *tensor.Tensor {
	w, scale := f.conv.Tensor.Float64s(), f.scales()
	for i := range w {
		w[i] = f.round(w[i] * scale[f.channel(i)])
	}
	return fromFloat64s(w, dt, f.conv.Tensor.Shape)
}

func (f *fold) bias(dt tensor.DType) *tensor.Tensor {
	scale := f.scales()
	mean, shift := f.norm.mean.Tensor.Float64s(), values(f.norm.shift, len(scale), 0)
	b := values(f.convBias, len(scale), 0)
	for i := range b {
		b[i] = f.round(f.round(f.round(b[i]-mean[i])*scale[i]) + shift[i])
	}
	return fromFloat64s(b, dt, tensor.Shape{len(b)})
}

// convolution is a convolution of the model that has a bias.
type convolution struct {
	weight, bias *target
	source       *source // of the weight
	module       string  // in the checkpoint
	channels     int
}

// foldNorms assigns every batch norm of the checkpoint whose statistics have no place in the model
// to a convolution that has a bias.
func (r *Result) foldNorms(matches map[*target]*Match, g *ir.Graph) error {
	norms := r.looseNorms()
	if len(norms) == 0 {
		return nil
	}
	convs := r.convolutions(matches, g)
	pairs := pair(convs, norms)
	if len(pairs) == 0 {
		return nil
	}
	r.Eps, r.EpsSource = epsilon(g, r.options.Eps)
	for c, n := range pairs {
		f := &fold{norm: n, conv: c.source, eps: r.Eps, outputFirst: c.weight.op() != "ConvTranspose"}
		how := "node path"
		if m := matches[c.weight]; m != nil {
			how = m.How
		}
		if m := matches[c.bias]; m != nil {
			f.convBias = m.source
		}
		for _, s := range f.parts() {
			s.used = true
		}
		matches[c.weight] = &Match{Tensor: c.weight.name, Shape: c.weight.shape(), How: how, target: c.weight, form: foldedWeight, source: c.source, fold: f}
		matches[c.bias] = &Match{Tensor: c.bias.name, Shape: c.bias.shape(), How: how, target: c.bias, form: foldedBias, source: f.convBias, fold: f}
	}
	return nil
}

// epsilon is the given one, or that of the model's own batch norms where they agree, or PyTorch's
// default.
func epsilon(g *ir.Graph, given float64) (float64, string) {
	if given > 0 {
		return given, "option eps"
	}
	found := map[float32]bool{}
	for _, n := range g.Nodes {
		if n.Op == "BatchNormalization" {
			found[n.Attrs.Float("epsilon", 1e-5)] = true
		}
	}
	if len(found) == 1 {
		for e := range found {
			v, err := strconv.ParseFloat(strconv.FormatFloat(float64(e), 'g', -1, 32), 64)
			if err == nil {
				return v, "the model's other batch norms"
			}
		}
	}
	return 1e-5, "PyTorch's default; option eps sets another"
}

// looseNorms lists the batch norms of the checkpoint that have no place yet, in its order.
func (r *Result) looseNorms() []*norm {
	byModule := map[string]*norm{}
	var order []*norm
	for _, s := range r.sources {
		module, own := parent(s.key)
		if s.used || len(s.Tensor.Shape) != 1 {
			continue
		}
		n := byModule[module]
		if n == nil {
			n = &norm{module: module, channels: s.Tensor.Shape[0]}
			byModule[module] = n
			order = append(order, n)
		}
		switch own {
		case "weight":
			n.weight = s
		case "bias":
			n.shift = s
		case "running_mean":
			n.mean = s
		case "running_var":
			n.vari = s
		}
	}
	return slices.DeleteFunc(order, func(n *norm) bool {
		same := n.mean != nil && n.vari != nil
		for _, s := range []*source{n.weight, n.shift, n.mean, n.vari} {
			same = same && (s == nil || s.Tensor.Shape[0] == n.channels)
		}
		return !same
	})
}

// convolutions lists those of the model with a bias whose weight was found, in the order of the
// graph.
func (r *Result) convolutions(matches map[*target]*Match, g *ir.Graph) []*convolution {
	weights, biases := map[*ir.Node]*target{}, map[*ir.Node]*target{}
	for _, t := range r.targets {
		if op := t.op(); op == "Conv" || op == "ConvTranspose" || op == "FusedConv" {
			switch t.slot {
			case 1:
				weights[t.node] = t
			case 2:
				biases[t.node] = t
			}
		}
	}
	var out []*convolution
	for _, n := range g.Nodes {
		w, b := weights[n], biases[n]
		if w == nil || b == nil || matches[w] == nil || matches[w].form != asIs || len(w.shape()) < 3 {
			continue
		}
		c := &convolution{weight: w, bias: b, source: matches[w].source, channels: b.shape().Len()}
		c.module, _ = parent(c.source.key)
		if n.Op == "ConvTranspose" && n.Attrs.Int("group", 1) > 1 {
			continue // its output channels are spread over two axes
		}
		out = append(out, c)
	}
	return out
}

// pair assigns norms to convolutions, the most certain first:
//
//   - by name: conv1 and bn1, or 0 and 1 of a Sequential;
//   - the rest of one module, each in its order, where there are equally many;
//   - the next in the order of the checkpoint, counting only convolutions without a bias of their
//     own.
func pair(convs []*convolution, norms []*norm) map[*convolution]*norm {
	pairs := map[*convolution]*norm{}
	taken := map[*norm]bool{}
	free := func(c *convolution, n *norm) bool { return pairs[c] == nil && !taken[n] && c.channels == n.channels }
	give := func(c *convolution, n *norm) { pairs[c], taken[n] = n, true }

	for _, c := range convs {
		var found []*norm
		for _, n := range norms {
			if free(c, n) && neighbours(c.module, n.module) {
				found = append(found, n)
			}
		}
		if len(found) == 1 {
			give(c, found[0])
		}
	}
	for _, n := range norms {
		if taken[n] {
			continue
		}
		module, _ := parent(n.module)
		var cs []*convolution
		for _, c := range convs {
			if p, _ := parent(c.module); p == module && pairs[c] == nil {
				cs = append(cs, c)
			}
		}
		var ns []*norm
		for _, o := range norms {
			if p, _ := parent(o.module); p == module && !taken[o] {
				ns = append(ns, o)
			}
		}
		slices.SortStableFunc(ns, func(a, b *norm) int { return naturally(a.module, b.module) })
		ok := len(cs) == len(ns)
		for i := 0; ok && i < len(cs); i++ {
			ok = free(cs[i], ns[i])
		}
		if ok {
			for i := range cs {
				give(cs[i], ns[i])
			}
		}
	}
	for _, c := range convs { // the one norm left that fits the one convolution left
		var found []*norm
		rivals := 0
		for _, n := range norms {
			if free(c, n) {
				found = append(found, n)
			}
		}
		for _, o := range convs {
			if pairs[o] == nil && o.channels == c.channels {
				rivals++
			}
		}
		if len(found) == 1 && rivals == 1 {
			give(c, found[0])
		}
	}
	return pairs
}

// neighbours reports whether a convolution and a norm of one module belong together by their names:
// conv1 and bn1, conv and norm, or i and i+1 of a Sequential.
func neighbours(conv, norm string) bool {
	p, a := parent(conv)
	q, b := parent(norm)
	if p != q {
		return false
	}
	i, err1 := strconv.Atoi(a)
	j, err2 := strconv.Atoi(b)
	if err1 == nil || err2 == nil {
		return err1 == nil && err2 == nil && j == i+1
	}
	digits := func(s string) string { return s[len(strings.TrimRight(s, "0123456789")):] }
	return digits(a) == digits(b)
}

// naturally compares names, with the numbers in them compared as numbers.
func naturally(a, b string) int {
	for a != "" && b != "" {
		x, y := leading(a), leading(b)
		i, err1 := strconv.Atoi(x)
		j, err2 := strconv.Atoi(y)
		c := cmp.Compare(x, y)
		if err1 == nil && err2 == nil && i != j {
			c = cmp.Compare(i, j)
		}
		if c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(len(a), len(b))
}

// leading is the run of digits, or of other characters, at the start of s.
func leading(s string) string {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	if n := strings.IndexFunc(s, func(r rune) bool { return digit(r) != digit(rune(s[0])) }); n >= 0 {
		return s[:n]
	}
	return s
}
