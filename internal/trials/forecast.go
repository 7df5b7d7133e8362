package trials

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Forecast says what a search will do, before it runs. What it computes is counted; seconds come
// from a few passes on this machine.
type Forecast struct {
	Header Header
	Size   int     // points of the space; space.Endless where they have no end
	Known  int     // proposals that depend on no results, so that they are known ahead
	Share  float64 // of a whole trial that one takes on average, as most of them stop early
	Groups []*Group

	Frozen float64 // operations of the frozen passes
	Live   float64 // operations of all training, that of the best trial on all examples included
	Bytes  int64   // kept at all frontiers

	FrozenSeconds float64 // reading the examples included
	LiveSeconds   float64
	MostSeconds   float64 // of the training, where all that is not known ahead falls on the dearest group
	Measured      float64 // seconds that it took to measure the speed
}

// Group is what the trials of one frontier share.
type Group struct {
	Settings []string // the values of thaw, attach and adapter that lead to it
	Frontier []string // values where the frozen part of the network ends
	Known    int      // trials of it among those that are known ahead
	Bytes    int64    // kept, of all training examples; 0 where it is cheaper to compute them again
	Frozen   float64  // operations of its pass over all training examples, from the inputs
	Pass     float64  // the same from the nearest values that an earlier group keeps
	Live     float64  // operations of a whole trial, on average

	point space.Point
	rate  float64 // seconds an operation of live work
}

// leading are the parameters that decide where the frozen part ends.
var leading = []string{"thaw", "attach", "adapter"}

// mostPoints bounds the points that a forecast looks at.
const mostPoints = 64

// Forecast makes the plan of the search. It runs no trial and writes nothing.
func (s *Search) Forecast(ctx context.Context) (*Forecast, error) {
	f := &Forecast{Header: s.Header, Size: s.Space.Size(), Share: s.plan.Rungs.Share()}
	ahead, err := s.ahead()
	if err != nil {
		return nil, err
	}
	f.Known = len(ahead)
	kept := map[split.Digest]*Group{}
	works := map[*Group][]float64{}
	for i, p := range slices.Concat(ahead[:min(len(ahead), mostPoints)], s.corners()) {
		t, err := s.Bench.prepare(p, s.Session.Train, s.Session.Val)
		if err != nil {
			continue // such a trial fails
		}
		g, err := f.group(t, p, kept)
		if err != nil {
			return nil, err
		}
		w, err := work(t, s.Bench.Parts())
		if err != nil {
			return nil, err
		}
		works[g] = append(works[g], w*s.heldIn())
		if i < min(len(ahead), mostPoints) {
			g.Known++
		}
	}
	f.Groups = slices.DeleteFunc(f.Groups, func(g *Group) bool { return len(works[g]) == 0 })
	if len(f.Groups) == 0 {
		return nil, fmt.Errorf("no point of the space can be trained")
	}
	for _, g := range f.Groups {
		for _, w := range works[g] {
			g.Live += w / float64(len(works[g]))
		}
		f.Frozen += g.Pass
		f.Bytes += g.Bytes
	}
	frozen, decode, err := s.speeds(ctx, f)
	if err != nil {
		return nil, err
	}
	f.train(1 / float64(f.Header.Parts) / s.heldIn())
	f.FrozenSeconds = f.Frozen*frozen + decode*float64(f.Header.Examples)
	return f, nil
}

// train adds up the training: the trials that are known ahead, the others as if they fell evenly on
// all groups, and the last fit, which is so many times a whole trial.
func (f *Forecast) train(last float64) {
	unknown := float64(f.Header.Trials - f.Known)
	known := 0.0
	for _, g := range f.Groups {
		of := f.Share*(float64(g.Known)+unknown/float64(len(f.Groups))) + last/float64(len(f.Groups))
		f.Live += of * g.Live
		f.LiveSeconds += of * g.Live * g.rate
		known += f.Share * float64(g.Known) * g.Live * g.rate
		f.MostSeconds = max(f.MostSeconds, (f.Share*unknown+last)*g.Live*g.rate)
	}
	f.MostSeconds += known
}

// heldIn is the work of a trial as a part of that on all training examples: each part trains on
// those that it does not hold out, and measures the others, which is a third of the work.
func (s *Search) heldIn() float64 {
	held := float64(s.Header.HeldOut) / float64(s.Header.Parts) / float64(s.Header.Examples)
	return 1 - held + held/3
}

// ahead are the proposals that depend on no results.
func (s *Search) ahead() ([]space.Point, error) {
	planner, err := search.NewPlanner(s.plan)
	if err != nil {
		return nil, err
	}
	var out []space.Point
	for {
		t, ok := planner.Next()
		if !ok {
			return out, nil
		}
		out = append(out, t.Point)
	}
}

// corners are points with every combination of the parameters that decide where the frozen part
// ends, as far as they go together.
func (s *Search) corners() []space.Point {
	all := [][]space.Setting{nil}
	for _, name := range leading {
		p := s.Space.Param(name)
		if p == nil {
			continue
		}
		next := slices.Clone(all) // the parameter need not exist
		for _, v := range p.Values {
			for _, settings := range all {
				next = append(next, append(slices.Clone(settings), space.Setting{Name: name, Value: v}))
			}
		}
		all = next
	}
	var out []space.Point
	for i, settings := range all {
		p, err := s.Space.Complete(space.NewPoint(settings...), random.For(s.Header.Seed, random.Search, -1-i))
		if err == nil && len(settings) > 0 && len(out) < mostPoints {
			out = append(out, p)
		}
	}
	return out
}

// group finds or makes the group of a prepared fit. kept has the values that the groups before it
// keep.
func (f *Forecast) group(t *run.Session, p space.Point, kept map[split.Digest]*Group) (*Group, error) {
	_, frontier, err := t.Net.FrontierTypes(t.Base.Two())
	if err != nil {
		return nil, err
	}
	setting := settingOf(p)
	for _, g := range f.Groups {
		if slices.Equal(g.Frontier, frontier) {
			if !slices.Contains(g.Settings, setting) {
				g.Settings = append(g.Settings, setting)
			}
			return g, nil
		}
	}
	w, err := t.Work()
	if err != nil {
		return nil, err
	}
	shares, err := t.Net.Shares()
	if err != nil {
		return nil, err
	}
	o, err := t.Net.Outline()
	if err != nil {
		return nil, err
	}
	n := t.Train.Len()
	g := &Group{Settings: []string{setting}, Frontier: frontier, Frozen: w.Frozen * float64(n), point: p}
	steps := 1
	if t.Net.Form != nil {
		sum := 0
		for i := range n {
			sum += t.Train.Length(i)
		}
		steps = int(math.Round(float64(sum) / float64(n)))
	}
	for _, s := range shares {
		g.Bytes += int64(s.Bytes(steps)) * int64(n)
	}
	keeps := t.KeepOptions()
	if ok, _ := keeps.Predict(g.Bytes, g.Bytes/int64(n), w.Frozen/usualSpeed); !ok || !o.WorthKeeping() {
		g.Bytes = 0
	}
	g.Pass = g.Frozen
	if from := o.Nearest(func(d split.Digest) bool { return kept[d] != nil }); from != nil {
		for _, point := range from.Points {
			g.Pass = min(g.Pass, g.Frozen-kept[point.Sum].Frozen)
		}
	}
	if g.Bytes > 0 {
		for _, point := range o.Cut(o.Frontier).Points {
			if kept[point.Sum] == nil {
				kept[point.Sum] = g
			}
		}
	}
	f.Groups = append(f.Groups, g)
	return g, nil
}

// usualSpeed is the operations a second of a slow machine, for whether values are worth keeping.
const usualSpeed = 20e9

// settingOf writes the values that decide where the frozen part ends.
func settingOf(p space.Point) string {
	var parts []string
	for _, name := range leading {
		if v, ok := p.Get(name); ok && v.String() != "" {
			parts = append(parts, name+" "+v.String())
		}
	}
	for _, s := range p.Settings() {
		if layers, ok := rankOf(s.Name); ok {
			if x, _ := s.Value.Float(); x > 0 {
				parts = append(parts, "LoRA at "+cmp.Or(layers, "the other layers"))
				break
			}
		}
	}
	if len(parts) == 0 {
		return "every trial"
	}
	return strings.Join(parts, ", ")
}

// speeds measures the speed with a few passes, at the groups with the most and the least live work,
// and gives each group the rate of the nearer one. It returns the seconds of an operation of the
// frozen part, and of reading an example.
func (s *Search) speeds(ctx context.Context, f *Forecast) (frozen, decode float64, err error) {
	byWork := slices.Clone(f.Groups)
	slices.SortFunc(byWork, func(a, b *Group) int { return cmp.Compare(a.Live, b.Live) })
	ends := slices.Compact([]*Group{byWork[0], byWork[len(byWork)-1]})
	most := 0.0
	for _, g := range ends {
		cfg, err := Apply(s.Bench.user, g.point)
		if err != nil {
			return 0, 0, err
		}
		t, err := s.Session.With(cfg, s.Session.Train, s.Session.Val)
		if err != nil {
			return 0, 0, err
		}
		w, err := t.Work()
		if err != nil {
			return 0, 0, err
		}
		in, err := inspect.Inspect(ctx, inspect.InspectOptions{Config: cfg, Sets: s.o.Sets, Measure: true})
		if err != nil {
			return 0, 0, err
		}
		g.rate = in.Predicted.Live / (w.Live + w.Step/float64(t.Config.Batch))
		if w.Frozen > most {
			most, frozen = w.Frozen, in.Predicted.Frozen/w.Frozen
		}
		decode = in.Predicted.Decode
		f.Measured += in.Predicted.Calibrated
	}
	for _, g := range byWork {
		near := slices.MinFunc(ends, func(a, b *Group) int {
			return cmp.Compare(math.Abs(math.Log((1+a.Live)/(1+g.Live))), math.Abs(math.Log((1+b.Live)/(1+g.Live))))
		})
		g.rate = near.rate
	}
	return frozen, decode, nil
}
