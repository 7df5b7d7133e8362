package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// state is what is finished.
type state struct {
	path string
	Fits []*fit `json:"fits"`
}

func load(path string) (*state, error) {
	s := &state{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *state) find(k key) *fit {
	if i := slices.IndexFunc(s.Fits, func(f *fit) bool { return f.key == k }); i >= 0 {
		return s.Fits[i]
	}
	return nil
}

// add keeps a fit, on the disk at once.
func (s *state) add(f *fit) error {
	s.Fits = append(s.Fits, f)
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".part", append(b, '\n'), 0o666); err != nil {
		return err
	}
	return os.Rename(s.path+".part", s.path)
}

// grid is every fit of a pair with one seed.
type grid struct {
	pair string
	fits []*fit
	best *fit    // the first of equals
	cpu  float64 // processor seconds of all
}

// outcome is a grid and what --auto made of the same.
type outcome struct {
	grid
	auto   *fit
	others map[string]*fit
}

// baselines are what --auto is compared with.
var baselines = []struct{ title, plan, rate string }{
	{"always the head", "head", "1"}, {"always the last block", "last:1", "1"}, {"always everything", "all", "1"}, {"Auto-RGN alone", "auto-rgn", ""},
}

// grid is that of a pair and a seed, nil where one of its fits is missing.
func (s *state) grid(pair string, seed int) *grid {
	g := &grid{pair: pair}
	for _, plan := range plans {
		base := s.find(key{pair, seed, plan, "1"})
		if base != nil && base.Failed != "" {
			continue // the model has no such plan
		}
		for _, rate := range rates {
			f := s.find(key{pair, seed, plan, figures(rate)})
			if f == nil {
				return nil
			}
			g.cpu += f.CPU
			g.fits = append(g.fits, f)
			if f.Failed == "" && (g.best == nil || f.Accuracy > g.best.Accuracy) {
				g.best = f
			}
		}
	}
	if g.best == nil {
		return nil
	}
	return g
}

// outcomes are those of pairs in order of their first fit.
func (s *state) outcomes() []outcome {
	var out []outcome
	for _, a := range s.Fits {
		if a.Plan != "auto" {
			continue
		}
		g := s.grid(a.Pair, a.Seed)
		if g == nil {
			continue
		}
		o := outcome{grid: *g, auto: a, others: map[string]*fit{}}
		for _, b := range baselines {
			if f := s.find(key{a.Pair, a.Seed, b.plan, b.rate}); f != nil && f.Failed == "" {
				o.others[b.title] = f
			}
		}
		out = append(out, o)
	}
	return out
}

// regret is how far a fit falls behind the best of the grid, in points; below 0 where it is better.
func (g *grid) regret(f *fit) float64 { return 100 * (g.best.Accuracy - f.Accuracy) }

// random is the mean regret of a random search of the grid that stops where it has cost as much as
// --auto, after one fit at least. It takes the best by the validation examples, which flatters it.
func (o *outcome) random() float64 {
	const searches = 1000
	r := rand.New(rand.NewPCG(1, 0))
	sum := 0.0
	for range searches {
		best, cost := 0.0, 0.0
		for n, k := range r.Perm(len(o.fits)) {
			if cost += o.fits[k].CPU; n > 0 && cost > o.auto.CPU {
				break
			}
			if o.fits[k].Failed == "" {
				best = max(best, o.fits[k].Accuracy)
			}
		}
		sum += 100 * (o.best.Accuracy - best)
	}
	return sum / searches
}

// sums are mean and largest of some numbers.
type sums struct{ mean, worst float64 }

func sum(x []float64) sums {
	s := sums{worst: x[0]}
	for _, v := range x {
		s.mean += v / float64(len(x))
		s.worst = max(s.worst, v)
	}
	return s
}

// report writes the tables.
func (s *state) report(path string) error {
	all := s.outcomes()
	if len(all) == 0 {
		fmt.Fprintln(os.Stderr, "regret: no pair has its whole grid yet")
		return nil
	}
	var names []string
	by := map[string][]outcome{}
	for _, o := range all {
		if by[o.pair] == nil {
			names = append(names, o.pair)
		}
		by[o.pair] = append(by[o.pair], o)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What --auto loses against the best of a grid\n\n"+
		"`go run ./bench/regret` writes this page. For each pair of model and data it fits a grid: the head, the last one, two and\n"+
		"four blocks, and everything, each at the default learning rate, three times and a third of it.\n\n"+
		"- **Regret** is the validation accuracy of the best of the grid minus that of `fit --auto`, in points. Below 0, `--auto` is\n"+
		"  better. The best of the grid is chosen on the validation examples, and `--auto` does not use them, so the grid's best is\n"+
		"  partly luck.\n"+
		"- **Random search** draws plans from the grid until it has done as much work as `--auto`, and takes the best on the validation\n"+
		"  examples. The number is the mean of a thousand such searches.\n"+
		"- **Time** is the processor time of `fit --auto`, its last fit included, over that of the grid, whose fits share a cache. A fit takes more of it where the machine has other work.\n\n")
	fmt.Fprintf(&b, "| pair | seeds | best of the grid | accuracy | `--auto` chose | accuracy | mean regret | worst | time |\n|---|---|---|---|---|---|---|---|---|\n")
	var regrets, times []float64
	for _, name := range names {
		var r, best, auto, time []float64
		var won, chose []string
		for _, o := range by[name] {
			r, best, auto = append(r, o.regret(o.auto)), append(best, 100*o.best.Accuracy), append(auto, 100*o.auto.Accuracy)
			time = append(time, o.auto.CPU/o.cpu)
			won = append(won, strings.TrimSpace(o.best.Plan+" x"+o.best.Rate))
			chose = append(chose, short(o.auto.Thaw))
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %.1f | %s | %.1f | %.2f | %.2f | %.2f |\n", name, len(r), each(won), sum(best).mean, each(chose), sum(auto).mean, sum(r).mean, sum(r).worst, sum(time).mean)
		regrets, times = append(regrets, r...), append(times, time...)
	}
	fmt.Fprintf(&b, "\n| over %d pairs, %d fits each | mean regret | worst | time |\n|---|---|---|---|\n", len(names), len(all))
	fmt.Fprintf(&b, "| `fit --auto` | %.2f | %.2f | %.2f |\n", sum(regrets).mean, sum(regrets).worst, sum(times).mean)
	for _, base := range baselines {
		var r, t []float64
		for _, o := range all {
			if f := o.others[base.title]; f != nil {
				r, t = append(r, o.regret(f)), append(t, f.CPU/o.cpu)
			}
		}
		if len(r) > 0 {
			fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f |\n", base.title, sum(r).mean, sum(r).worst, sum(t).mean)
		}
	}
	var chance []float64
	for _, o := range all {
		chance = append(chance, o.random())
	}
	fmt.Fprintf(&b, "| random search of the same work | %.2f | %.2f | %.2f |\n", sum(chance).mean, sum(chance).worst, sum(times).mean)
	s.floor(&b)
	suits(&b, names, by)
	overfitting(&b, names, by)
	b.WriteString("\nA pair with a percentage uses that share of the training examples, spread evenly over the classes.\n")
	return os.WriteFile(path, []byte(b.String()), 0o666)
}

// suits writes how long --auto takes where the head is best, or within half a point of that.
func suits(b *strings.Builder, names []string, by map[string][]outcome) {
	var rows []string
	for _, name := range names {
		var auto, head, lost []float64
		for _, o := range by[name] {
			if f := o.others["always the head"]; f != nil && o.regret(f) <= 0.5 {
				auto, head, lost = append(auto, o.auto.CPU), append(head, f.CPU), append(lost, o.regret(o.auto))
			}
		}
		if len(auto) > 0 {
			rows = append(rows, fmt.Sprintf("| %s | %d | %.1f | %.1f | %.1f | %.2f |\n", name, len(auto), sum(head).mean, sum(auto).mean, sum(auto).mean/sum(head).mean, sum(lost).mean))
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Where the head is best\n\nFits in which the head alone is the best of the grid, or within half a point of it. Times are processor seconds.\n\n"+
		"| pair | seeds | the head's own time | `--auto` | times that | mean regret |\n|---|---|---|---|---|---|\n%s", strings.Join(rows, ""))
}

// overfitting writes the table of gaps between training and validation.
func overfitting(b *strings.Builder, names []string, by map[string][]outcome) {
	fmt.Fprintf(b, "\n## Overfitting\n\nAccuracy is that on validation, in percent; the gap is training minus validation accuracy, in points. Both are means over the\nseeds. A large gap means memorisation. It does not say which plan is better.\n\n"+
		"| pair | everything: gap | accuracy | `--auto`: gap | accuracy | |\n|---|---|---|---|---|---|\n")
	for _, name := range names {
		var full, auto [2]float64 // gap, accuracy
		n := 0.0
		for _, o := range by[name] {
			if f := o.others["always everything"]; f != nil {
				n++
				full[0], full[1] = full[0]+100*(f.Train-f.Accuracy), full[1]+100*f.Accuracy
				auto[0], auto[1] = auto[0]+100*(o.auto.Train-o.auto.Accuracy), auto[1]+100*o.auto.Accuracy
			}
		}
		if n > 0 {
			fmt.Fprintf(b, "| %s | %.1f | %.1f | %.1f | %.1f | %s |\n", name, full[0]/n, full[1]/n, auto[0]/n, auto[1]/n, verdict((auto[1]-full[1])/n))
		}
	}
}

// verdict says which of the two is better by so many points of accuracy.
func verdict(points float64) string {
	switch {
	case points > 0.5:
		return fmt.Sprintf("`--auto` wins by %.1f", points)
	case points < -0.5:
		return fmt.Sprintf("everything wins by %.1f", -points)
	}
	return "level"
}

// short is a chosen plan without the head, which always trains.
func short(thaw []string) string {
	var out []string
	for _, t := range strings.Split(strings.Join(thaw, ","), ",") {
		if t != "head" {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return "head"
	}
	return strings.Join(out, ",")
}

// each lists different words once, in order.
func each(words []string) string {
	var out []string
	for _, w := range words {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, ", ")
}
