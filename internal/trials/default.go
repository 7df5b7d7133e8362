package trials

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// defaultAdapter is tried beside the depths: it trains little and reaches deep.
const defaultAdapter = "lora:8"

// DefaultSpace is what is searched where the user names no space: how deep to thaw, at which rate,
// with how much decay, and whether an adapter trains where nothing but the head does. Depths double
// from the head down to everything. Rates reach from a quarter of that which the recipe has for the
// plan to four times as much. An option that the user gave is no parameter.
//
// s has the options of the recipe, user those that were given.
func DefaultSpace(s *run.Session, user *config.Config) (*space.Space, error) {
	depths := depths(s, user)
	var params []space.Param
	add := func(p space.Param) {
		if !given(user, p.Name) {
			params = append(params, p)
		}
	}
	head := space.Condition{Param: "thaw", In: []space.Value{space.Text("head")}}
	if len(depths) > 0 {
		add(space.Param{Name: "thaw", Kind: space.Ordered, Values: depths})
	}
	if c := s.Config; !given(user, "thaw") {
		c.Adapter, c.Thaw, c.LR, c.Epochs, c.Batch = defaultAdapter, []string{"head"}, 0, 0, 0
		if fits(s, c) {
			add(space.Param{Name: "adapter", Kind: space.Choice, Values: []space.Value{space.Text(""), space.Text(defaultAdapter)}, When: []space.Condition{head}})
		}
	}
	if !given(user, "lr") {
		params = append(params, space.Param{Name: lrTimes, Kind: space.Float, Log: true, Low: 0.25, High: 4})
	}
	add(space.Param{Name: "weight_decay", Kind: space.Float, Log: true, Low: 0.001, High: 0.1})
	if len(params) == 0 {
		return nil, option.Errorf("space", "thaw, lr and weight_decay are given, so nothing is left to search: name a space, or leave one of them out")
	}
	return space.New(params, space.Limits{})
}

// depths are the plans that can train.
func depths(s *run.Session, user *config.Config) (values []space.Value) {
	all := [][]string{user.Thaw}
	if !given(user, "thaw") {
		all = [][]string{{"head"}}
		for n := 1; n < len(s.Net.Set.Blocks); n *= 2 {
			all = append(all, []string{fmt.Sprintf("last:%d", n)})
		}
		all = append(all, []string{"all"})
	}
	for _, thaw := range all {
		c := s.Config
		c.Thaw, c.LR, c.Epochs, c.Batch = thaw, 0, 0, 0
		if fits(s, c) {
			values = append(values, space.Text(thaw[0]))
		}
	}
	return values
}

// fits reports whether a fit with other options can train. It cannot where an operator has no
// gradient.
func fits(s *run.Session, c config.Config) bool {
	t, err := s.With(c, s.Train, s.Val)
	return err == nil && t.Check() == nil
}
