package trials

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// cutShares are the parts of a model's operations that are left by the cuts that a search tries by
// default. Less hardly ever keeps the accuracy, more is hardly faster.
var cutShares = []float64{0.4, 0.55, 0.7, 0.85}

// cuts are a few places at which the model can end, the shortest model first, evenly spaced by its
// operations, and none. It is empty where there is no such place.
func cuts(s *run.Session, c config.Config, blocks []split.Block) (values []space.Value) {
	total := float64(blocks[len(blocks)-1].FLOPs)
	last := -1
	for _, share := range cutShares {
		best, away := -1, 0.075
		for i, b := range blocks[:len(blocks)-1] {
			if d := math.Abs(float64(b.FLOPs)/total - share); b.End != "" && i > last && d <= away {
				best, away = i, d
			}
		}
		if best < 0 {
			continue
		}
		c.Cut = blocks[best].Name
		if fits(s, c) {
			values, last = append(values, space.Text(c.Cut)), best
		}
	}
	if len(values) == 0 {
		return nil
	}
	return append(values, space.Text(split.None))
}

// leastSkipped is the number of blocks with shortcuts from which on leaving some out is tried: of
// fewer each does too much.
const leastSkipped = 4

// skips are none, a third and half of the blocks that can be left out, evenly spaced. It is empty
// where there are few.
func skips(s *run.Session, c config.Config, blocks []split.Block) (values []space.Value) {
	var names []string
	for _, b := range blocks {
		if b.Bypass != nil {
			names = append(names, b.Name)
		}
	}
	if len(names) < leastSkipped {
		return nil
	}
	for _, parts := range []int{3, 2} {
		n := len(names) / parts
		c.Skip = nil
		for i := range n {
			c.Skip = append(c.Skip, names[(2*i+1)*len(names)/(2*n)])
		}
		if fits(s, c) {
			values = append(values, space.List(c.Skip...))
		}
	}
	if len(values) == 0 {
		return nil
	}
	return append([]space.Value{space.Text(split.None)}, values...)
}

// attached are what a head reads by default, and that together with the ends of blocks at two
// thirds and at one third of the model's operations: a task far from the model's own is told by
// earlier features, too (Evci et al., Head2Toe, ICML 2022). It is empty where nothing else can be
// read.
func attached(s *run.Session, c config.Config, blocks []split.Block) (values []space.Value) {
	own := s.Net.AttachedTo()
	if own == "" {
		return nil
	}
	total := float64(blocks[len(blocks)-1].FLOPs)
	c.Attach = []string{own}
	for _, share := range []float64{2.0 / 3, 1.0 / 3} {
		best, away := "", 0.2
		for _, b := range blocks[:len(blocks)-1] {
			if d := math.Abs(float64(b.FLOPs)/total - share); b.End != "" && !slices.Contains(c.Attach, b.End) && d <= away {
				best, away = b.End, d
			}
		}
		if best == "" {
			continue
		}
		more := c
		more.Attach = append(slices.Clone(c.Attach), best)
		if fits(s, more) {
			c = more
			values = append(values, space.List(c.Attach...))
		}
	}
	if len(values) == 0 {
		return nil
	}
	return append([]space.Value{space.Text(auto)}, values...)
}

// smaller reports whether a search makes the model itself better in use.
func smaller(objectives []Objective) bool {
	return slices.ContainsFunc(objectives, func(o Objective) bool { return o == Params || o == Bytes || o == Latency })
}
