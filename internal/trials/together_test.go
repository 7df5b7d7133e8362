package trials

import (
	"math"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// residual are the options of a search on a tiny residual network: deep plans have values to keep.
func residual(t *testing.T, file string) Options {
	t.Helper()
	o := small(t, file)
	must(t, fixture.WriteResidualModel(o.Config.Model))
	o.Config.Preprocess, o.Config.Size = "unit", "8"
	o.Config.Epochs = 4
	return o
}

// tasksOf are a trial for each combination of depth, head and rate, to a share of its epochs.
func tasksOf(percent int) (tasks []search.Task) {
	for _, lr := range []float64{0.001, 0.03} {
		for _, head := range []string{"linear", "mlp:8"} {
			for _, thaw := range []string{"head", "last:1", "all"} {
				p := space.NewPoint(space.Setting{Name: "thaw", Value: space.Text(thaw)}, space.Setting{Name: "head", Value: space.Text(head)}, space.Setting{Name: "lr", Value: space.Number(lr)})
				tasks = append(tasks, search.Task{Trial: len(tasks), Point: p, To: percent})
			}
		}
	}
	return tasks
}

// TestTogether: trials have the same results to the bit alone, together, in any order, in parts, and
// on any number of threads.
func TestTogether(t *testing.T) {
	o := residual(t, "thaw: [head, \"last:1\", all]\n")
	o.Config.Average = "ema:0.9"
	bench := func() *Bench {
		s, err := New(t.Context(), o)
		must(t, err)
		t.Cleanup(s.Bench.Close)
		return s.Bench
	}
	untimed := func(of Outcome) Outcome {
		of.Seconds, of.LatencyMS = 0, 0
		return of
	}
	tasks := tasksOf(0)
	want := make([]Outcome, len(tasks))
	alone := bench()
	if alone.Parts() < 2 {
		t.Fatalf("%d part", alone.Parts())
	}
	for i := range tasks {
		i = len(tasks) - 1 - i
		of, err := alone.Run(t.Context(), tasks[i])
		must(t, err)
		if want[i] = untimed(of); of.Failed != "" || of.Epochs != 4 {
			t.Fatalf("%v: %+v", tasks[i].Point, of)
		}
	}
	for _, threads := range []int{1, 2, 5} {
		release := kernel.Use(threads)
		got := make([]Outcome, len(tasks))
		must(t, bench().RunAll(t.Context(), tasks, func(i int, of Outcome) error { got[i] = untimed(of); return nil }))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("together on %d threads:\n%+v\nalone:\n%+v", threads, got, want)
		}
		if n := kernel.Threads(); n != threads {
			t.Errorf("%d threads are left of %d", n, threads)
		}
		release()
	}
	parts := bench()
	got := make([]Outcome, len(tasks))
	must(t, parts.RunAll(t.Context(), tasksOf(50), func(i int, of Outcome) error {
		if of.Epochs != 2 {
			t.Errorf("after half of 4 epochs: %+v", of)
		}
		return nil
	}))
	must(t, parts.RunAll(t.Context(), tasksOf(100), func(i int, of Outcome) error { got[i] = untimed(of); return nil }))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("in two parts:\n%+v\nat once:\n%+v", got, want)
	}
}

// taken counts the examples whose frozen values fits took and computed.
type taken struct {
	mu                 sync.Mutex
	hits, near, misses int
}

func (p *taken) Emit(_ time.Time, e report.Event) {
	if e, ok := e.(*report.CacheEvent); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hits, p.near, p.misses = p.hits+e.Hits, p.near+e.Near, p.misses+e.Misses
	}
}

// TestComputedOnce: the values at a frontier are computed once for all trials, from those of the
// deepest one, and the fits of trials compute none.
func TestComputedOnce(t *testing.T) {
	s, err := New(t.Context(), residual(t, "thaw: [head, \"last:1\"]\n"))
	must(t, err)
	defer s.Bench.Close()
	var fits taken
	s.Bench.sinks = []report.Sink{&fits}
	var tasks []search.Task
	for _, task := range tasksOf(0) {
		if thaw, _ := task.Point.Get("thaw"); thaw.String() != "all" {
			tasks = append(tasks, task)
		}
	}
	must(t, s.Bench.RunAll(t.Context(), tasks, func(int, Outcome) error { return nil }))
	n := s.Session.Train.Len()
	kept := s.Bench.shelf.Summaries()
	if len(kept) != 2 || kept[0].Misses != n || kept[0].Near != 0 || kept[1].Misses != 0 || kept[1].Near != n {
		for _, k := range kept {
			t.Errorf("of %d examples: %+v", n, *k)
		}
	}
	if want := len(tasks) * len(s.Bench.parts) * n; fits.hits != want || fits.near+fits.misses != 0 {
		t.Errorf("the fits took %d values of %d, and computed %d", fits.hits, want, fits.near+fits.misses)
	}
	again := search.Task{Trial: len(tasks), Point: tasks[0].Point}
	must(t, s.Bench.RunAll(t.Context(), []search.Task{again}, func(int, Outcome) error { return nil }))
	if len(s.Bench.shelf.Summaries()) != 2 {
		t.Error("a later trial computed its values again")
	}
}

// TestForecast: what is computed, kept and reused is what the plan says.
func TestForecast(t *testing.T) {
	o := residual(t, "thaw: [head, \"last:1\", all]\nlr: [0.001, 0.01]\n")
	s, err := New(t.Context(), o)
	must(t, err)
	f, err := s.Forecast(t.Context())
	must(t, err)
	must(t, s.Run(t.Context()))
	n := s.Session.Train.Len()
	kept := s.Bench.shelf.Summaries()
	if len(f.Groups) != 3 || len(kept) != 2 || f.Known != 6 || len(s.Entries) != 6 {
		t.Fatalf("%d groups, %d frontiers kept; %d trials known of %d", len(f.Groups), len(kept), f.Known, len(s.Entries))
	}
	if g := f.Groups[0]; g.Frozen != 0 || g.Bytes != 0 || g.Known != 2 {
		t.Errorf("where everything trains: %+v", g)
	}
	for i, g := range f.Groups[1:] {
		k := kept[i]
		whole := g.Pass == g.Frozen
		if k.Bytes != g.Bytes || whole != (k.Misses == n) || whole == (k.Near == n) || g.Known != 2 {
			t.Errorf("planned %+v, done %+v", g, k)
		}
	}
	work := 0.0
	for _, e := range s.Entries {
		work += e.Outcome.Work
	}
	total, last := 0.0, 0.0
	for _, g := range f.Groups {
		total += float64(g.Known) * g.Live
		last = max(last, g.Live)
	}
	if math.Abs(total-work) > 1e-9*work {
		t.Errorf("planned %.3g of live work; the trials say %.3g", total, work)
	}
	if f.Live < total || f.Live > total+last || f.LiveSeconds <= 0 || f.FrozenSeconds <= 0 {
		t.Errorf("live %.3g of which the trials are %.3g; %+v", f.Live, total, f)
	}
}
