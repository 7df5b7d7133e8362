package layered

import (
	"math"
	"math/rand/v2"
	"testing"
)

// check fails where nodes overlap or a line goes up.
func check(t *testing.T, d *Drawing, nodes []Size) {
	t.Helper()
	for a := range nodes {
		if d.At[a].X-nodes[a].Width/2 < 0 || d.At[a].X+nodes[a].Width/2 > d.Width || d.At[a].Y+nodes[a].Height/2 > d.Height {
			t.Fatalf("node %d at %v lies outside of %g x %g", a, d.At[a], d.Width, d.Height)
		}
		for b := range a {
			if math.Abs(d.At[a].Y-d.At[b].Y) < 1 && math.Abs(d.At[a].X-d.At[b].X) < (nodes[a].Width+nodes[b].Width)/2 {
				t.Fatalf("nodes %d and %d overlap", a, b)
			}
		}
	}
	for i, line := range d.Lines {
		for k := 1; k < len(line); k++ {
			if line[k].Y <= line[k-1].Y {
				t.Fatalf("edge %d goes up: %v", i, line)
			}
		}
	}
}

func sizes(n int) []Size {
	out := make([]Size, n)
	for i := range out {
		out[i] = Size{float64(40 + 13*i%50), 20}
	}
	return out
}

func TestDraw(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes int
		edges [][2]int
		cross int
	}{
		{"nothing", 0, nil, 0},
		{"one", 1, nil, 0},
		{"chain", 4, [][2]int{{0, 1}, {1, 2}, {2, 3}}, 0},
		{"residual", 4, [][2]int{{0, 1}, {1, 2}, {2, 3}, {0, 3}}, 0},
		{"two that cross in their order", 4, [][2]int{{0, 3}, {1, 2}}, 0},
		{"branches", 8, [][2]int{{0, 1}, {0, 2}, {0, 3}, {1, 4}, {2, 5}, {3, 6}, {4, 7}, {5, 7}, {6, 7}}, 0},
	} {
		nodes := sizes(c.nodes)
		d := &drawing{}
		d.build(nodes, c.edges)
		d.order()
		if got := d.crossings(); c.nodes > 0 && got != c.cross {
			t.Errorf("%s: %d crossings, want %d", c.name, got, c.cross)
		}
		check(t, Draw(nodes, c.edges), nodes)
	}
}

// A chain is a straight line, and a shortcut beside it too.
func TestStraight(t *testing.T) {
	d := Draw([]Size{{40, 20}, {80, 20}, {60, 20}}, [][2]int{{0, 1}, {1, 2}})
	for i := range d.At {
		if math.Abs(d.At[i].X-d.At[0].X) > 0.5 {
			t.Errorf("node %d of a chain at %v, the first at %v", i, d.At[i], d.At[0])
		}
	}
}

func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		n := 2 + r.IntN(60)
		var edges [][2]int
		for to := 1; to < n; to++ {
			for range 1 + r.IntN(2) {
				edges = append(edges, [2]int{r.IntN(to), to})
			}
		}
		nodes := sizes(n)
		check(t, Draw(nodes, edges), nodes)
	}
}
