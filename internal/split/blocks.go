package split

import (
	"fmt"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Block is one of the repeated parts of a model, as the selectors first:N and last:N count them.
type Block struct {
	Name string
	End  string // name of the value behind it that a head can read; "" where there is none
	// floating-point operations of one example up to its end, of the last block up to the head; 0
	// where nothing alone is its end
	FLOPs int64
	// how the model goes on without the block; nil where it cannot: no shortcut of the same shape
	// leads around all of its layers
	Bypass *freeze.Bypass
}

// knownBlocks are the blocks of a base, found once.
type knownBlocks struct {
	once  sync.Once
	found []Block
	err   error
}

// Blocks lists the blocks of a model with a new head in place of its classifier, from the input on.
// They are found once. It may be called from many goroutines.
func (b *Base) Blocks() ([]Block, error) {
	b.blocks.once.Do(func() { b.blocks.found, b.blocks.err = b.findBlocks() })
	return b.blocks.found, b.blocks.err
}

func (b *Base) findBlocks() ([]Block, error) {
	h, err := AttachHead(b.Model.Graph, HeadSpec{Kind: "linear", Classes: 2, Mask: b.mask()}, b.Shapes(b.Two()))
	if err != nil {
		return nil, err
	}
	set := freeze.Describe(h.Graph, h.Weights)
	if len(set.Blocks) == 0 {
		return nil, fmt.Errorf("the model has no blocks")
	}
	found := make([]Block, len(set.Blocks))
	for i, name := range set.Blocks {
		found[i].Name = name
	}
	if err := b.findEnds(h, set, found); err != nil {
		return nil, err
	}
	return found, nil
}

// findEnds finds what is behind each block, and the blocks that can be left out.
func (b *Base) findEnds(h *Headed, set *freeze.Set, found []Block) error {
	g, last := h.Graph, h.reads()
	from, to := layerSpans(g, set)
	waists := waistsOf(g, last)
	at := nodePlaces(g)
	behind := func(layer, next int) (found []*ir.Value) { // the waists between two layers
		for _, v := range waists {
			if at[v.Node] >= layer && at[v.Node] < next {
				found = append(found, v)
			}
		}
		return found
	}
	ends := make([]*ir.Value, len(found)) // that a head can read
	ways := make([][2]*ir.Value, len(found))
	var values []*ir.Value // whose types are asked for
	x := (*ir.Value)(nil)  // what the block reads
	for i := range found {
		end := last
		if i+1 < len(found) {
			switch all := behind(to[i], from[i+1]); {
			case len(all) == 0: // several values are open: the end is only the last one computed
				end, ends[i] = nil, blockEnd(g, set, i+1)
			default:
				end, ends[i] = all[len(all)-1], featuresAmong(all)
			}
		}
		if x != nil && end != nil && x != end {
			if y := bypassed(g, x, end); y != nil {
				ways[i] = [2]*ir.Value{x, y}
				values = append(values, x, y)
			}
		}
		x = end
	}
	if err := b.countFLOPs(g, append(ends[:len(ends)-1:len(ends)-1], last), found); err != nil {
		return err
	}
	read, err := b.readable(g, ends)
	if err != nil {
		return err
	}
	for i, width := range read {
		if width > 0 {
			found[i].End = ends[i].Name
		}
	}
	if len(values) == 0 {
		return nil
	}
	types, err := TypesOf(g, values, b.Shapes(b.Two()))
	if err != nil {
		return err
	}
	for i, w := range ways {
		if w[0] == nil {
			continue
		}
		if types[0].Equal(types[1]) {
			found[i].Bypass = &freeze.Bypass{Block: found[i].Name, Value: w[1].Name, Instead: w[0].Name}
		}
		types = types[2:]
	}
	return nil
}

// featuresAmong is the last of several values that is not only another one in another form: padded
// for the next layer, say.
func featuresAmong(values []*ir.Value) *ir.Value {
	for _, v := range slices.Backward(values) {
		if v.Node.Op != "Pad" && !v.Node.RawTraits().HandsOn {
			return v
		}
	}
	return values[len(values)-1]
}

// countFLOPs counts the operations of one example up to the end of each block.
func (b *Base) countFLOPs(g *ir.Graph, ends []*ir.Value, found []Block) error {
	whole := *g
	whole.Outputs = slices.DeleteFunc(slices.Clone(ends), func(v *ir.Value) bool { return v == nil })
	n := b.Two()
	s, err := compile.Model(&whole, compile.Options{Shapes: b.Shapes(n), Plain: true})
	if err != nil {
		return err
	}
	k := 0
	for i, v := range ends {
		if v == nil {
			continue
		}
		for m := range s.Ancestors(s.Outputs[k]) {
			found[i].FLOPs += m.FLOPs()
		}
		found[i].FLOPs /= int64(n)
		k++
	}
	return nil
}

// layerSpans gives the places of the first and the last node of each block that reads a weight of a
// layer.
func layerSpans(g *ir.Graph, set *freeze.Set) (from, to []int) {
	at := map[string]*ir.Node{}
	for _, n := range g.Nodes {
		at[n.Name] = n
	}
	places := nodePlaces(g)
	from, to = make([]int, len(set.Blocks)), make([]int, len(set.Blocks))
	for i := range from {
		from[i] = len(g.Nodes)
	}
	for _, w := range set.Weights {
		for _, name := range w.Nodes {
			if n := at[name]; w.Block >= 0 && n != nil && isLayer(n) {
				from[w.Block], to[w.Block] = min(from[w.Block], places[n]), max(to[w.Block], places[n])
			}
		}
	}
	return from, to
}

// reads is the last value of the model that a new head reads.
func (h *Headed) reads() *ir.Value {
	f := flowOf(h.Graph)
	at := nodePlaces(h.Graph)
	var last *ir.Value
	for _, n := range h.New {
		for _, v := range n.Inputs {
			if v != nil && v.Node != nil && !slices.Contains(h.New, v.Node) && f.example[v] && (last == nil || at[v.Node] > at[last.Node]) {
				last = v
			}
		}
	}
	return last
}

func nodePlaces(g *ir.Graph) map[*ir.Node]int {
	at := make(map[*ir.Node]int, len(g.Nodes))
	for i, n := range g.Nodes {
		at[n] = i
	}
	return at
}
