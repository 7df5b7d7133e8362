package trials

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// defaultAdapter is tried beside the depths: it trains little and reaches deep. defaultHead is tried
// where only the head trains: what is frozen may not be separable by a linear one.
const (
	defaultAdapter = "lora:8"
	defaultHead    = "mlp:128"
)

// DefaultSpace is what is searched where the user names no space: how deep to thaw and at which
// rate; where nothing but the head trains, whether it has a hidden layer, whether it reads earlier
// features, too, and whether an adapter trains; and where an objective is about the model in use,
// where it is cut and which blocks are left out. Depths double from the head down to everything.
// Rates reach from a quarter of that which the recipe has for the plan to four times as much. An
// option that the user gave is no parameter.
//
// Weight decay is none: no value of the option is the recipe's, which spares norms and biases.
//
// s has the options of the recipe, user those that were given.
func DefaultSpace(s *run.Session, user *config.Config, objectives []Objective) (*space.Space, error) {
	d := defaults{user: user}
	bare := s.Config // only the head trains
	bare.Attach = user.Attach
	bare.Thaw, bare.LR, bare.Epochs, bare.Batch = []string{"head"}, 0, 0, 0
	blocks, err := s.Base.Blocks()
	if err != nil {
		blocks = nil // it has none, and the rest can be searched
	}
	fresh := s.Net.Headed.Fresh && blocks != nil && !given(user, "attach") && !given(user, "cut")
	var cut, skip []space.Value
	if fresh && smaller(objectives) {
		if cut = cuts(s, bare, blocks); !given(user, "skip") {
			skip = skips(s, bare, blocks)
		}
	}
	whole := d.when("cut", split.None, cut)

	depths := depths(s, user, blocksLeft(blocks, cut))
	d.add("thaw", space.Ordered, depths)
	d.add("cut", space.Ordered, cut)
	d.add("skip", space.Choice, skip, whole...)
	onlyHead := d.when("thaw", "head", depths)
	if c := bare; !given(user, "thaw") {
		if c.Adapter = defaultAdapter; fits(s, c) {
			d.add("adapter", space.Choice, []space.Value{space.Text(""), space.Text(defaultAdapter)}, onlyHead...)
		}
	}
	if headAlone(user) && s.Net.Headed.Fresh {
		if c := bare; !given(user, "head") {
			if c.Head = defaultHead; fits(s, c) {
				d.add("head", space.Choice, []space.Value{space.Text("linear"), space.Text(defaultHead)}, onlyHead...)
			}
		}
		if fresh {
			d.add("attach", space.Choice, attached(s, bare, blocks), slices.Concat(onlyHead, whole, d.when("skip", split.None, skip))...)
		}
	}
	if !given(user, "lr") {
		d.params = append(d.params, space.Param{Name: lrTimes, Kind: space.Float, Log: true, Low: 0.25, High: 4})
	}
	if len(d.params) == 0 {
		return nil, option.Errorf("space", "thaw and lr are given, so nothing is left to search: name a space, or leave one of them out")
	}
	return space.New(d.params, space.Limits{})
}

// defaults are the parameters of a default space.
type defaults struct {
	user   *config.Config
	params []space.Param
}

// add adds a parameter that the user did not give and that has values to choose from.
func (d *defaults) add(name string, kind space.Kind, values []space.Value, when ...space.Condition) {
	if len(values) > 0 && !given(d.user, name) {
		d.params = append(d.params, space.Param{Name: name, Kind: kind, Values: values, When: when})
	}
}

// when is the condition that a parameter has a value. There is none where the user gave the
// parameter, or where it has no values to choose from.
func (d *defaults) when(name, value string, values []space.Value) []space.Condition {
	if given(d.user, name) || len(values) == 0 {
		return nil
	}
	return []space.Condition{{Param: name, In: []space.Value{space.Text(value)}}}
}

// headAlone reports whether the head may be all that trains.
func headAlone(user *config.Config) bool {
	return !given(user, "thaw") || slices.Equal(user.Thaw, []string{"head"})
}

// blocksLeft is the number of blocks that the shortest of the cuts leaves.
func blocksLeft(blocks []split.Block, cut []space.Value) int {
	if len(cut) == 0 {
		return math.MaxInt
	}
	return 1 + slices.IndexFunc(blocks, func(b split.Block) bool { return cut[0] == space.Text(b.Name) })
}

// depths are the plans that can train in a model of which at least so many blocks are left.
func depths(s *run.Session, user *config.Config, left int) (values []space.Value) {
	all := [][]string{user.Thaw}
	if !given(user, "thaw") {
		all = [][]string{{"head"}}
		for n := 1; n < min(len(s.Net.Set.Blocks), left); n *= 2 {
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
