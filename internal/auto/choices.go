package auto

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
)

// rates are the multiples of the recipe's learning rate that are tried, by their logarithm to base 3.
var rates = []float64{0, 1, -1}

// lora is the adapter that is tried beside the depths: it trains little and reaches deep.
const lora = "lora:4"

// nearlyAll is the share of the work of thawing everything from which a plan is not tried: it costs
// the same and can do less.
const nearlyAll = 0.97

// choice is a plan at a learning rate.
type choice struct {
	name    string // of the plan, without the head that always trains
	rate    float64
	probed  bool          // starts from a head that was trained alone, which the user did not ask for
	cfg     config.Config // of a fit to all training examples
	digest  string        // of the plan
	params  int
	head    bool // a fresh head and nothing else
	changes bool // trains on examples that are changed at random, which the user did not ask for
	work    run.Work
	fitWork float64 // of a fit to all training examples, without the frozen part
	failed  string  // why it cannot be chosen, "" where it can
}

// plan is what trains.
type plan struct {
	thaw    []string
	adapter string
}

func (p plan) name() string {
	if p.adapter != "" {
		return p.adapter
	}
	if t := slices.DeleteFunc(slices.Clone(p.thaw), func(s string) bool { return s == "head" }); len(t) > 0 {
		return strings.Join(t, ",")
	}
	return "head"
}

// plans lists what is worth trying: the head, the last blocks in growing steps, everything, and an
// adapter.
func (a *auto) plans() []plan {
	all := []plan{{thaw: []string{"head"}}}
	for _, n := range choose.Steps(len(a.session.Net.Set.Blocks)) {
		all = append(all, plan{thaw: []string{"head", fmt.Sprintf("last:%d", n)}})
	}
	return append(all, plan{thaw: []string{"all"}}, plan{thaw: []string{"head"}, adapter: lora})
}

// choice prepares a plan at a rate. It gives the reason in failed where the model cannot train it.
func (a *auto) choice(p plan, rate float64, probed bool) (*choice, error) {
	cfg := a.user
	cfg.Auto, cfg.Budget, cfg.Thaw, cfg.Adapter = false, 0, p.thaw, p.adapter
	if p.name() != "head" {
		cfg.Augment = cmp.Or(cfg.Augment, a.augment)
	}
	if probed {
		cfg.Start = "probe"
	}
	s, err := a.session.With(cfg, a.session.Train, a.session.Val)
	if err != nil {
		return nil, err
	}
	c := &choice{name: p.name(), rate: rate, probed: probed, cfg: s.Config, digest: s.Plans.Ever.Digest(), head: s.Net.Headed.Fresh && s.HeadOnly(),
		params: s.Plans.Ever.Thawed(s.Net.Set).Elements()}
	c.changes = a.user.Augment == "" && c.cfg.Augment != "none"
	c.cfg.LR *= math.Pow(3, rate)
	c.cfg.Out = a.user.Out
	if err := s.Check(); err != nil {
		c.failed = err.Error() // such as an operator without a gradient after a thawed weight
		return c, nil
	}
	c.work, err = s.Work()
	c.fitWork = c.fit(float64(c.cfg.Epochs), a.session.Train.Len(), a.session.Val.Len())
	return c, err
}

// fit is the work of training for so many epochs, without that of a frozen part whose values are kept.
func (c *choice) fit(epochs float64, examples, held int) float64 {
	w := c.live(epochs, examples, held)
	if c.anew() {
		w += epochs * float64(examples) * c.work.Frozen
	}
	return w
}

// live is the work of the part that trains.
func (c *choice) live(epochs float64, examples, held int) float64 {
	steps := (examples + c.cfg.Batch - 1) / c.cfg.Batch
	return epochs * (float64(examples)*c.work.Live + float64(held)*c.work.Live/3 + float64(steps)*c.work.Step)
}

// anew reports whether the frozen part computes in every epoch: nothing is kept, or every epoch has
// other examples.
func (c *choice) anew() bool {
	return c.cfg.Augment != "none" && c.cfg.CacheVariants == 0 || c.cfg.Cache == "off"
}

// frozen is the work of the frozen part on examples whose values are kept: of held-out ones alone
// where training examples differ in every epoch.
func (c *choice) frozen(trained, held int) float64 {
	if c.anew() {
		trained = 0
	}
	return float64(trained+held) * c.work.Frozen
}

// plain is the work of a fit as the grid has it: as the user asks for it, and with the frozen part
// computed once.
func (c *choice) plain(trained, held int) (once, each float64) {
	return float64(trained+held) * c.work.Frozen, c.live(float64(c.cfg.Epochs), trained, held)
}

// enter makes the choices: every plan at every rate, and deep ones also from a head that was
// trained alone. It counts the work of the grid (the head, the last one, two and four blocks, and
// everything, each at every rate) and sets the limit, a share of that.
func (a *auto) enter() error {
	seen := map[string]bool{}
	var bases []*choice
	var of []plan
	for _, p := range a.plans() {
		c, err := a.choice(p, 0, false)
		if err != nil {
			if p.adapter != "" {
				continue // the model has no layers for it
			}
			return err
		}
		if seen[c.digest] {
			continue
		}
		seen[c.digest] = true
		bases, of = append(bases, c), append(of, p)
		switch c.name {
		case "head", "last:1", "last:2", "last:4", "all":
			once, each := c.plain(a.session.Train.Len(), a.session.Val.Len())
			a.grid += once + float64(len(rates))*each
		}
	}
	a.limit = math.Max(minLimit, gridShare*a.grid)
	if a.user.Budget > 0 {
		a.limit = math.Inf(1)
	}
	most := 0.0
	for _, c := range bases {
		if c.name == "all" {
			most = c.fitWork
		}
	}
	for i, c := range bases {
		if !c.head && c.name != "all" && c.fitWork > nearlyAll*most && most > 0 && (c.cfg.Adapter == "" || c.changes) {
			continue
		}
		for _, rate := range rates {
			if rate != 0 && (a.user.LR != 0 || c.failed != "" || rate < 0 && c.changes) { // what changes learns slower already
				continue
			}
			if rate != 0 {
				var err error
				if c, err = a.choice(of[i], rate, false); err != nil {
					return err
				}
			}
			a.choices = append(a.choices, c)
		}
		// a head is trained alone on kept values, which examples that change have not
		if c = bases[i]; !c.head && !c.changes && c.failed == "" && a.session.Net.Headed.Fresh && a.user.Start != "probe" {
			w, err := a.choice(of[i], 0, true)
			if err != nil {
				return err
			}
			a.choices = append(a.choices, w)
		}
	}
	slices.SortStableFunc(a.choices, func(x, y *choice) int {
		if x.head != y.head {
			if x.head {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.fitWork, y.fitWork)
	})
	return nil
}

// beliefs are the choices as the model of the search takes them, with what advice expects of them.
func (a *auto) beliefs() []search.Choice {
	var deep []string // by work
	for _, c := range a.choices {
		if !c.head && c.cfg.Adapter == "" && !slices.Contains(deep, c.name) {
			deep = append(deep, c.name)
		}
	}
	var out []search.Choice
	for _, c := range a.choices {
		b := search.Choice{Rate: c.rate, Adapter: c.cfg.Adapter != "", Probed: c.probed, Changes: c.changes, Work: c.fitWork}
		switch {
		case b.Adapter:
			b.Depth = 0.5
		case !c.head:
			b.Depth = float64(1+slices.Index(deep, c.name)) / float64(len(deep))
		}
		b.Mean = a.advised(c, b.Depth)
		if c.changes && c.rate > 0 {
			b.Mean += changedUp * b.Depth
		}
		out = append(out, b)
	}
	return out
}

// advised is by how much the logarithm of a choice's badness is expected to lie above what is usual
// for the depth. Advice orders plans and is no forecast, so it counts only in part.
func (a *auto) advised(c *choice, depth float64) float64 {
	if c.head || a.advice == nil || len(a.advice.Depths) == 0 {
		return 0
	}
	of := func(thaw, adapter string) float64 {
		for _, x := range a.advice.Candidates {
			if x.Thaw == thaw && x.Adapter == adapter {
				return x.Score
			}
		}
		return math.NaN()
	}
	head, deep := of("head", ""), of(strings.Join(c.cfg.Thaw, ","), "")
	if c.cfg.Adapter != "" {
		deep = of("head,kind:adapter", c.cfg.Adapter)
	}
	if math.IsNaN(head) || math.IsNaN(deep) {
		return 0
	}
	least := 0.5 / float64(a.report.Examples)
	more := math.Log((1-deep+least)/(1-head+least)) - search.Usual(depth)
	return math.Max(-mostAdvised, math.Min(mostAdvised, adviceShare*more))
}

// sure reports whether advice is sure that the head suffices.
func (a *auto) sure() bool {
	return a.advice != nil && len(a.advice.Depths) > 0 && a.advice.Recommended.Thaw == "head" && a.advice.Recommended.Sure == "high"
}
