package trials

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/kernel"
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
	var first, later []prospect
	for _, p := range ahead[:min(len(ahead), mostPoints)] {
		first = s.prospect(first, p)
	}
	for _, p := range s.corners() {
		later = s.prospect(later, p)
	}
	// Trials that may start together begin with the frontier nearest to the inputs.
	for _, some := range [][]prospect{first, later} {
		slices.SortStableFunc(some, func(a, b prospect) int { return cmp.Compare(a.work.Frozen, b.work.Frozen) })
	}
	kept := map[split.Digest]*Group{}
	works := map[*Group][]float64{}
	for i, p := range slices.Concat(first, later) {
		g, err := f.group(p, s.Session.Train, kept)
		if err != nil {
			return nil, err
		}
		works[g] = append(works[g], p.live)
		if i < len(first) {
			g.Known++
		}
	}
	if len(f.Groups) == 0 {
		return nil, fmt.Errorf("no point of the space can be trained")
	}
	for _, g := range f.Groups {
		for _, w := range works[g] {
			g.Live += w / float64(len(works[g]))
		}
		f.Frozen += g.Pass
		f.Bytes += g.Bytes
		// the last fit reads the validation examples, at the frontier of the best trial
		f.Frozen += g.Frozen / float64(s.Session.Train.Len()*len(f.Groups)) * float64(s.Session.Val.Len())
	}
	frozen, decode, err := s.speeds(ctx, f)
	if err != nil {
		return nil, err
	}
	f.train(1 / float64(f.Header.Parts) / s.trained())
	f.FrozenSeconds = f.Frozen*frozen + decode*float64(f.Header.Examples+s.Session.Val.Len())
	return f, nil
}

// prospect is a trial that may come, prepared on its first part of the training examples.
type prospect struct {
	point   space.Point
	session *run.Session
	work    run.Work // of an example and of a step
	live    float64  // of the whole trial
}

// prospect adds a trial, unless it would fail.
func (s *Search) prospect(to []prospect, p space.Point) []prospect {
	t, err := s.Bench.prepare(p, s.Bench.parts[0].train, s.Bench.parts[0].held)
	if err != nil {
		return to
	}
	of, err := t.Work()
	if err != nil {
		return to
	}
	w, err := work(t, s.Bench.Parts())
	if err != nil {
		return to
	}
	return append(to, prospect{p, t, of, w})
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

// trained is the work of a trial as a part of that on all training examples: each part trains on
// those that it does not hold out.
func (s *Search) trained() float64 {
	return 1 - float64(s.Header.HeldOut)/float64(s.Header.Parts)/float64(s.Header.Examples)
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

// group finds or makes the group of a trial. kept has the values that the groups before it keep.
func (f *Forecast) group(p prospect, all *data.Dataset, kept map[split.Digest]*Group) (*Group, error) {
	t := p.session
	_, frontier, err := t.Net.FrontierTypes(t.Base.Two())
	if err != nil {
		return nil, err
	}
	setting := settingOf(p.point)
	for _, g := range f.Groups {
		if slices.Equal(g.Frontier, frontier) {
			if !slices.Contains(g.Settings, setting) {
				g.Settings = append(g.Settings, setting)
			}
			return g, nil
		}
	}
	shares, err := t.Net.Shares()
	if err != nil {
		return nil, err
	}
	o, err := t.Net.Outline()
	if err != nil {
		return nil, err
	}
	n := all.Len()
	g := &Group{Settings: []string{setting}, Frontier: frontier, Frozen: p.work.Frozen * float64(n), point: p.point}
	steps := 1
	if t.Net.Form != nil {
		sum := 0
		for i := range n {
			sum += all.Length(i)
		}
		steps = int(math.Round(float64(sum) / float64(n)))
	}
	for _, s := range shares {
		g.Bytes += int64(s.Bytes(steps)) * int64(n)
	}
	keeps := t.KeepOptions()
	if ok, _ := keeps.Predict(g.Bytes, g.Bytes/int64(n), p.work.Frozen/usualSpeed); !ok || !o.WorthKeeping() {
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

// speeds measures the speed with a few passes: of the live part at the groups with the most and the
// least live work, as fast as fits beside each other are, and of the frozen part with all threads. It
// gives each group the rate of the nearer one, and returns the seconds of an operation of the frozen
// part, and of reading an example.
func (s *Search) speeds(ctx context.Context, f *Forecast) (frozen, decode float64, err error) {
	byWork := slices.Clone(f.Groups)
	slices.SortFunc(byWork, func(a, b *Group) int { return cmp.Compare(a.Live, b.Live) })
	ends := slices.Compact([]*Group{byWork[0], byWork[len(byWork)-1]})
	for _, g := range ends {
		if err := s.rate(ctx, f, g); err != nil {
			return 0, 0, err
		}
	}
	deep := slices.MaxFunc(f.Groups, func(a, b *Group) int { return cmp.Compare(a.Frozen, b.Frozen) })
	t, in, err := s.measured(ctx, deep)
	if err != nil {
		return 0, 0, err
	}
	w, err := t.Work()
	if err != nil {
		return 0, 0, err
	}
	if w.Frozen > 0 {
		frozen = in.Frozen / w.Frozen
	}
	decode = in.Decode
	f.Measured += in.Calibrated
	for _, g := range byWork {
		near := slices.MinFunc(ends, func(a, b *Group) int {
			return cmp.Compare(math.Abs(math.Log((1+a.Live)/(1+g.Live))), math.Abs(math.Log((1+b.Live)/(1+g.Live))))
		})
		g.rate = near.rate
	}
	return frozen, decode, nil
}

// rate measures the live work of a group, on the threads that a fit beside others has.
func (s *Search) rate(ctx context.Context, f *Forecast, g *Group) error {
	_, t, err := s.prepared(g)
	if err != nil {
		return err
	}
	if err := t.Check(); err != nil {
		return err
	}
	n := min(kernel.Threads(), min(s.Header.Lag, s.Header.Trials)*s.Header.Parts, fitsBeside(t.StepBytes()))
	for range n {
		defer kernel.Beside()()
	}
	_, in, err := s.measured(ctx, g)
	if err != nil {
		return err
	}
	w, err := t.Work()
	if err != nil {
		return err
	}
	g.rate = in.Live / (w.Live + w.Step/float64(t.Config.Batch)) / float64(n)
	f.Measured += in.Calibrated
	return nil
}

// prepared is the fit of a group's first trial on all training examples.
func (s *Search) prepared(g *Group) (config.Config, *run.Session, error) {
	cfg, err := Apply(s.Bench.user, g.point)
	if err != nil {
		return cfg, nil, err
	}
	t, err := s.Session.With(cfg, s.Session.Train, s.Session.Val)
	return cfg, t, err
}

// measured times a few passes of a group's first trial.
func (s *Search) measured(ctx context.Context, g *Group) (*run.Session, *inspect.Prediction, error) {
	cfg, t, err := s.prepared(g)
	if err != nil {
		return nil, nil, err
	}
	in, err := inspect.Inspect(ctx, inspect.InspectOptions{Config: cfg, Sets: s.o.Sets, Measure: true})
	if err != nil {
		return nil, nil, err
	}
	return t, in.Predicted, nil
}
