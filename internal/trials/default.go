package trials

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// DefaultSpace is what is searched where the user names no space: how deep to thaw, at which rate,
// with how much decay, and, where no more than the head trains, whether adapters do. Depths double
// from the head down to everything. The range of rates is that of the recipe for these depths, and
// three times as wide at both ends.
func DefaultSpace(s *run.Session, objectives []Objective) (*space.Space, error) {
	depths := []space.Value{space.Text("head")}
	for n := 1; n < len(s.Net.Set.Blocks); n *= 2 {
		depths = append(depths, space.Text(fmt.Sprintf("last:%d", n)))
	}
	depths = append(depths, space.Text("all"))
	low, high := math.Inf(1), 0.0
	cfg := s.Config
	for _, d := range depths {
		c := cfg
		c.Thaw, c.LR, c.Epochs, c.Batch = d.Texts(), 0, 0, 0
		t, err := s.With(c, s.Train, s.Val)
		if err == nil {
			err = t.Check()
		}
		if err != nil { // such as an operator without a gradient behind these weights
			depths = slices.DeleteFunc(slices.Clone(depths), func(v space.Value) bool { return v == d })
			continue
		}
		low, high = min(low, t.Config.LR), max(high, t.Config.LR)
	}
	round := func(x float64) float64 {
		unit := math.Pow(10, math.Floor(math.Log10(x)))
		return math.Round(x/unit) * unit
	}
	params := []space.Param{
		{Name: "thaw", Kind: space.Ordered, Values: depths},
		{Name: "lr", Kind: space.Float, Log: true, Low: round(low / 3), High: round(high * 3)},
		{Name: "weight_decay", Kind: space.Float, Log: true, Low: 0.001, High: 0.1},
	}
	return space.New(params, space.Limits{})
}
