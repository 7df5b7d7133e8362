// Package layered draws a directed graph in layers: every edge goes down, nodes that belong together
// stand close, and few edges cross.
//
// In: sizes of nodes, and edges from earlier to later ones. Out: a place for each node and a line for
// each edge. It follows the steps of Sugiyama, Tagawa and Toda (Methods for Visual Understanding of
// Hierarchical System Structures, 1981): layers by the longest path, an order in each layer by the
// barycentres of neighbours, and places by isotonic regression, which is the nearest that nodes can
// stand to where their neighbours want them without overlap. Time grows with the number of edges
// times the layers that they span. It knows nothing of what nodes stand for.
package layered

import (
	"cmp"
	"slices"
)

// Size is the size of a node.
type Size struct{ Width, Height float64 }

// Point is a place.
type Point struct{ X, Y float64 }

// Drawing is a graph with places.
type Drawing struct {
	At     []Point   // centres of the nodes
	Lines  [][]Point // of each edge, from the lower side of a node to the upper side of another
	Width  float64
	Height float64
}

// The distances between nodes.
const (
	gapX = 22.0
	gapY = 26.0
)

// vertex is a node, or a place where a long edge crosses a layer.
type vertex struct {
	node     int // -1: of an edge
	layer    int
	w        float64
	up, down []int
	x        float64
	at       int // place in its layer
}

type drawing struct {
	vs     []vertex
	layers [][]int
}

// Draw draws a graph. Every edge must go from a node to a later one.
func Draw(nodes []Size, edges [][2]int) *Drawing {
	d := &drawing{}
	chains := d.build(nodes, edges)
	d.order()
	d.place()
	return d.drawn(nodes, edges, chains)
}

// build makes the layers. It returns the vertices of each edge.
func (d *drawing) build(nodes []Size, edges [][2]int) [][]int {
	layer := make([]int, len(nodes))
	in, out := make([]int, len(nodes)), make([][]int, len(nodes))
	for _, e := range edges {
		out[e[0]] = append(out[e[0]], e[1])
		in[e[1]]++
	}
	for v := range nodes { // nodes are in topological order
		for _, to := range out[v] {
			layer[to] = max(layer[to], layer[v]+1)
		}
	}
	for v := len(nodes) - 1; v >= 0; v-- { // what reads nothing stands just above its reader
		if in[v] == 0 && len(out[v]) > 0 {
			low := layer[out[v][0]]
			for _, to := range out[v] {
				low = min(low, layer[to])
			}
			layer[v] = low - 1
		}
	}
	for v, size := range nodes {
		d.vs = append(d.vs, vertex{node: v, layer: layer[v], w: size.Width})
	}
	chains := make([][]int, len(edges))
	for i, e := range edges {
		chain := []int{e[0]}
		for l := layer[e[0]] + 1; l < layer[e[1]]; l++ {
			chain = append(chain, len(d.vs))
			d.vs = append(d.vs, vertex{node: -1, layer: l, w: 4})
		}
		chain = append(chain, e[1])
		for k := 1; k < len(chain); k++ {
			a, b := chain[k-1], chain[k]
			d.vs[a].down, d.vs[b].up = append(d.vs[a].down, b), append(d.vs[b].up, a)
		}
		chains[i] = chain
	}
	last := 0
	for v := range d.vs {
		last = max(last, d.vs[v].layer)
	}
	d.layers = make([][]int, last+1)
	// A walk from the nodes above gives the first order: what hangs together is together.
	seen := make([]bool, len(d.vs))
	var stack []int
	for v := range slices.Backward(nodes) {
		if len(d.vs[v].up) == 0 {
			stack = append(stack, v)
		}
	}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		l := d.vs[v].layer
		d.vs[v].at = len(d.layers[l])
		d.layers[l] = append(d.layers[l], v)
		for _, to := range slices.Backward(d.vs[v].down) {
			stack = append(stack, to)
		}
	}
	return chains
}

// sweeps is how often the layers are gone through, down and up.
const sweeps = 6

// order orders each layer by the barycentres of neighbours, and keeps the order with the fewest
// crossings.
func (d *drawing) order() {
	best, fewest := d.orders(), d.crossings()
	for i := 0; i < sweeps && fewest > 0; i++ {
		d.sweep(i%2 == 0, func(l []int, up bool) {
			key := make(map[int]float64, len(l))
			for _, v := range l {
				key[v] = float64(d.vs[v].at)
				if ns := d.neighbours(v, up); len(ns) > 0 {
					sum := 0.0
					for _, n := range ns {
						sum += float64(d.vs[n].at)
					}
					key[v] = sum / float64(len(ns))
				}
			}
			slices.SortStableFunc(l, func(a, b int) int { return cmp.Compare(key[a], key[b]) })
			for at, v := range l {
				d.vs[v].at = at
			}
		})
		if n := d.crossings(); n < fewest {
			best, fewest = d.orders(), n
		}
	}
	for i, l := range best {
		d.layers[i] = l
		for at, v := range l {
			d.vs[v].at = at
		}
	}
}

func (d *drawing) orders() [][]int {
	out := make([][]int, len(d.layers))
	for i, l := range d.layers {
		out[i] = slices.Clone(l)
	}
	return out
}

func (d *drawing) neighbours(v int, up bool) []int {
	if up {
		return d.vs[v].up
	}
	return d.vs[v].down
}

// sweep goes through the layers, down by what stands above or up by what stands below.
func (d *drawing) sweep(down bool, f func(l []int, up bool)) {
	if down {
		for i := 1; i < len(d.layers); i++ {
			f(d.layers[i], true)
		}
		return
	}
	for i := len(d.layers) - 2; i >= 0; i-- {
		f(d.layers[i], false)
	}
}

// crossings counts the pairs of lines between neighbouring layers that cross.
func (d *drawing) crossings() int {
	n := 0
	for _, l := range d.layers[:len(d.layers)-1] {
		var ends []int // in the order of their upper ends
		for _, v := range l {
			to := slices.Clone(d.vs[v].down)
			slices.SortFunc(to, func(a, b int) int { return d.vs[a].at - d.vs[b].at })
			for _, t := range to {
				ends = append(ends, d.vs[t].at)
			}
		}
		n += inversions(ends)
	}
	return n
}

// inversions counts the pairs that stand in the wrong order, and sorts.
func inversions(x []int) int {
	if len(x) < 2 {
		return 0
	}
	left, right := slices.Clone(x[:len(x)/2]), slices.Clone(x[len(x)/2:])
	n := inversions(left) + inversions(right)
	for i, a, b := 0, 0, 0; i < len(x); i++ {
		if b == len(right) || a < len(left) && left[a] <= right[b] {
			x[i] = left[a]
			a++
		} else {
			x[i] = right[b]
			b++
			n += len(left) - a
		}
	}
	return n
}

// place finds the x of every vertex.
func (d *drawing) place() {
	for _, l := range d.layers {
		x := 0.0
		for _, v := range l {
			x += d.vs[v].w / 2
			d.vs[v].x = x
			x += d.vs[v].w/2 + gapX
		}
		for _, v := range l { // the middle of every layer is at 0
			d.vs[v].x -= (x - gapX) / 2
		}
	}
	for i := range 2 * sweeps {
		d.sweep(i%2 == 0, func(l []int, up bool) { d.align(l, up) })
	}
}

// align moves a layer as near as can be to what its neighbours want: the isotonic regression of the
// wishes, less what stands to the left. Long edges weigh more, so that they are straight.
func (d *drawing) align(l []int, up bool) {
	type pool struct {
		sum, weight float64
		n           int
	}
	var pools []pool
	offset := make([]float64, len(l))
	for i, v := range l {
		if i > 0 {
			offset[i] = offset[i-1] + d.vs[l[i-1]].w/2 + gapX + d.vs[v].w/2
		}
		wish, weight := d.vs[v].x, 0.1
		if ns := d.neighbours(v, up); len(ns) > 0 {
			wish, weight = 0, 1
			for _, n := range ns {
				wish += d.vs[n].x / float64(len(ns))
			}
			if d.vs[v].node < 0 {
				weight = 4
			}
		}
		pools = append(pools, pool{(wish - offset[i]) * weight, weight, 1})
		for len(pools) > 1 {
			a, b := pools[len(pools)-2], pools[len(pools)-1]
			if a.sum/a.weight <= b.sum/b.weight {
				break
			}
			pools = append(pools[:len(pools)-2], pool{a.sum + b.sum, a.weight + b.weight, a.n + b.n})
		}
	}
	i := 0
	for _, p := range pools {
		for range p.n {
			d.vs[l[i]].x = p.sum/p.weight + offset[i]
			i++
		}
	}
}

// drawn gives nodes and edges their places.
func (d *drawing) drawn(nodes []Size, edges [][2]int, chains [][]int) *Drawing {
	out := &Drawing{At: make([]Point, len(nodes)), Lines: make([][]Point, len(edges))}
	if len(nodes) == 0 {
		return out
	}
	low := d.vs[0].x
	for i := range d.vs {
		low = min(low, d.vs[i].x-d.vs[i].w/2)
	}
	heights := make([]float64, len(d.layers))
	for v := range nodes {
		l := d.vs[v].layer
		heights[l] = max(heights[l], nodes[v].Height)
	}
	middle := make([]float64, len(d.layers))
	y := gapY / 2
	for l, h := range heights {
		middle[l] = y + h/2
		y += h + gapY
	}
	for i := range d.vs {
		d.vs[i].x += gapX/2 - low
		out.Width = max(out.Width, d.vs[i].x+d.vs[i].w/2+gapX/2)
	}
	out.Height = y - gapY/2
	for v := range nodes {
		out.At[v] = Point{d.vs[v].x, middle[d.vs[v].layer]}
	}
	for i, e := range edges {
		a, b := e[0], e[1]
		line := []Point{{out.At[a].X, out.At[a].Y + nodes[a].Height/2}}
		chain := chains[i]
		for _, v := range chain[1 : len(chain)-1] {
			line = append(line, Point{d.vs[v].x, middle[d.vs[v].layer]})
		}
		out.Lines[i] = append(line, Point{out.At[b].X, out.At[b].Y - nodes[b].Height/2})
	}
	return out
}
