package joint

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// layout divides the networks, for one length of examples, into pieces.
type layout struct {
	pieces []*piece // each after those that it reads
	output []source // where the output of each network comes from
	shared float64  // the share of all networks' work that is done for more than one
}

// piece is the part of networks that the same ones of them have. All the values that it reads from
// elsewhere and that others read from it have the examples on their first axis.
type piece struct {
	key   split.Digest // of what it reads and computes
	users []int        // the networks, in order
	owner int          // the one from whose graph it is compiled
	in    []crossing
	from  []source // of in
	out   []crossing
	flops int64 // of two examples
	whole bool  // it is a whole network, which cannot be divided: one example at a time
}

// crossing is a value at the border of a piece: its place in the owner's graph, see values.
type crossing struct {
	at   int
	name string
}

// source says where a value comes from: an input of the networks, or the output of a piece.
type source struct {
	piece int // -1: an input
	at    int
}

// drawing is the graph of one network with what is needed to divide it.
type drawing struct {
	graph    *ir.Graph
	all      []*ir.Value
	position map[*ir.Value]int
	sum      map[*ir.Value]split.Digest
	apart    []bool // by value: the examples are on its first axis
	alone    bool   // it cannot be divided
}

// values lists inputs and results in order of definition.
func values(g *ir.Graph) []*ir.Value {
	out := slices.Clone(g.Inputs)
	for _, n := range g.Nodes {
		out = append(out, n.Outputs...)
	}
	return out
}

// sameStructure reports whether two lists are of the same graph for two batch sizes.
func sameStructure(a, b []*ir.Value) bool {
	return slices.EqualFunc(a, b, func(v, w *ir.Value) bool {
		return (v == nil) == (w == nil) && (v == nil || v.Name == w.Name)
	})
}

// draw compiles a network for one, two and three examples, to see which values can be divided
// between examples.
func (n *Network) draw(net Source, length int) (*drawing, error) {
	var graphs [3]*ir.Graph
	var all [3][]*ir.Value
	folded, sums := n.shelf.sharing()
	d := &drawing{position: map[*ir.Value]int{}, sum: map[*ir.Value]split.Digest{}}
	for k := range graphs {
		if net.OneByOne() && k > 0 {
			break
		}
		g, err := net.Graph(k+1, length, folded)
		if err != nil {
			return nil, err
		}
		graphs[k], all[k] = g, values(g)
		if d.alone = k > 0 && !sameStructure(all[0], all[k]); d.alone {
			break
		}
	}
	at := 1
	if graphs[1] == nil {
		at = 0
	}
	d.graph, d.all = graphs[at], all[at]
	ids := split.IdentifyBy(sums, d.graph)
	for i, v := range d.all {
		perExample := false
		if v != nil {
			d.position[v], d.sum[v] = i, ids.Of(v)
			perExample = graphs[1] == nil || !d.alone && graphs[2] != nil && scales(v.Type, all[2][i].Type)
		}
		d.apart = append(d.apart, perExample)
	}
	out := d.graph.Outputs[0]
	if i, ok := d.position[out]; !ok || out.Node == nil || !d.apart[i] && !d.alone {
		return nil, fmt.Errorf("the model's output %q has no axis of examples", out.Name)
	}
	return d, nil
}

// scales reports whether types for two and three examples differ in the first axis alone, which
// grows with the number of examples.
func scales(two, three ir.Type) bool {
	a, b := two.Shape, three.Shape
	return len(a) > 0 && len(a) == len(b) && a[0] > 0 && a[0]%2 == 0 && a[0]/2*3 == b[0] && a[1:].Equal(b[1:])
}

// reads are the values that a node reads, those of its subgraphs too.
func reads(n *ir.Node) []*ir.Value {
	out := slices.DeleteFunc(slices.Clone(n.Inputs), func(v *ir.Value) bool { return v == nil })
	for _, g := range n.Attrs.Graphs() {
		out = append(out, g.Captures()...)
	}
	return out
}

// node is a digest of what a node gives.
func (d *drawing) node(n *ir.Node) split.Digest {
	h := sha256.New()
	for _, v := range n.Outputs {
		s := d.sum[v] // of an absent one: zero
		h.Write(s[:])
	}
	return split.Digest(h.Sum(nil))
}

// signature names the networks that have a node.
type signature string

func signatureOf(users []int) signature { return signature(fmt.Sprint(users)) }

// divide divides the networks. A node belongs with the other nodes that the same networks have: who
// has a node has everything that it reads, so a piece reads from pieces with more users alone.
func (n *Network) divide(length int) (*layout, error) {
	var drawings []*drawing
	have := map[split.Digest][]int{} // who has each node
	for m, net := range n.nets {
		d, err := n.draw(net, length)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.names[m], err)
		}
		drawings = append(drawings, d)
		if d.alone {
			continue
		}
		for _, node := range d.graph.Nodes {
			s := d.node(node)
			if u := have[s]; len(u) == 0 || u[len(u)-1] != m {
				have[s] = append(u, m)
			}
		}
	}
	of := func(m int, node *ir.Node) []int {
		if drawings[m].alone {
			return []int{m}
		}
		return have[drawings[m].node(node)]
	}
	l := &layout{}
	index := map[signature]int{}
	nodes := map[signature][]*ir.Node{}
	for m, d := range drawings {
		for _, node := range d.graph.Nodes {
			users := of(m, node)
			if users[0] != m {
				continue
			}
			s := signatureOf(users)
			if nodes[s] == nil {
				l.pieces = append(l.pieces, &piece{users: users, owner: m, whole: d.alone})
			}
			nodes[s] = append(nodes[s], node)
		}
	}
	slices.SortStableFunc(l.pieces, func(a, b *piece) int { return cmp.Compare(len(b.users), len(a.users)) })
	for i, p := range l.pieces {
		index[signatureOf(p.users)] = i
	}
	// What each piece reads, and so what others give.
	given := make([]map[split.Digest]bool, len(l.pieces))
	for i := range given {
		given[i] = map[split.Digest]bool{}
	}
	for i, p := range l.pieces {
		d := drawings[p.owner]
		p.in = d.border(nodes[signatureOf(p.users)], func(node *ir.Node) bool { return index[signatureOf(of(p.owner, node))] == i })
		for _, c := range p.in {
			if v := d.all[c.at]; v.Node != nil {
				given[index[signatureOf(of(p.owner, v.Node))]][d.sum[v]] = true
			}
		}
	}
	for m, d := range drawings {
		out := d.graph.Outputs[0]
		given[index[signatureOf(of(m, out.Node))]][d.sum[out]] = true
	}
	places := make([]map[split.Digest]int, len(l.pieces)) // of the outputs of each piece
	for i, p := range l.pieces {
		d := drawings[p.owner]
		places[i] = map[split.Digest]int{}
		for _, node := range nodes[signatureOf(p.users)] {
			p.flops += node.FLOPs()
			for _, v := range node.Outputs {
				if v == nil || !given[i][d.sum[v]] {
					continue
				}
				if _, twice := places[i][d.sum[v]]; !twice {
					places[i][d.sum[v]] = len(p.out)
					p.out = append(p.out, crossing{d.position[v], v.Name})
				}
			}
		}
	}
	find := func(m int, v *ir.Value) source {
		d := drawings[m]
		if v.Node == nil {
			return source{-1, d.position[v]}
		}
		i := index[signatureOf(of(m, v.Node))]
		return source{i, places[i][d.sum[v]]}
	}
	for _, p := range l.pieces {
		d := drawings[p.owner]
		h := sha256.New()
		for _, c := range p.in {
			p.from = append(p.from, find(p.owner, d.all[c.at]))
			s := d.sum[d.all[c.at]]
			h.Write(s[:])
		}
		h.Write([]byte("gives"))
		for _, c := range p.out {
			s := d.sum[d.all[c.at]]
			h.Write(s[:])
		}
		p.key = split.Digest(h.Sum(nil))
	}
	for m, d := range drawings {
		l.output = append(l.output, find(m, d.graph.Outputs[0]))
	}
	// A piece that nobody reads was copied into its readers, see border.
	l.drop(func(p *piece) bool { return len(p.out) == 0 })
	var all, once int64
	for _, p := range l.pieces {
		if all += p.flops * int64(len(p.users)); len(p.users) > 1 {
			once += p.flops * int64(len(p.users))
		}
	}
	if all > 0 {
		l.shared = float64(once) / float64(all)
	}
	return l, nil
}

// drop removes pieces that nothing reads from.
func (l *layout) drop(useless func(*piece) bool) {
	to := make([]int, len(l.pieces))
	var kept []*piece
	for i, p := range l.pieces {
		to[i] = len(kept)
		if !useless(p) {
			kept = append(kept, p)
		}
	}
	move := func(s []source) {
		for i := range s {
			if s[i].piece >= 0 {
				s[i].piece = to[s[i].piece]
			}
		}
	}
	for _, p := range kept {
		move(p.from)
	}
	move(l.output)
	l.pieces = kept
}

// border are the values from which the nodes of a piece can be computed. A value that is not per
// example cannot be handed on: the piece then computes it again, from what it is computed of.
func (d *drawing) border(nodes []*ir.Node, mine func(*ir.Node) bool) (in []crossing) {
	seen := map[*ir.Value]bool{}
	var visit func(v *ir.Value)
	visit = func(v *ir.Value) {
		if seen[v] || v.Kind == ir.Const || v.Kind == ir.Param {
			return
		}
		seen[v] = true
		switch {
		case v.Node == nil:
			if at, ok := d.position[v]; ok {
				in = append(in, crossing{at, v.Name})
			}
		case mine(v.Node):
		case d.apart[d.position[v]]:
			in = append(in, crossing{d.position[v], v.Name})
		default:
			for _, w := range reads(v.Node) {
				visit(w)
			}
		}
	}
	for _, n := range nodes {
		for _, v := range reads(n) {
			visit(v)
		}
	}
	return in
}
